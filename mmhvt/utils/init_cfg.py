"""MMEngine's `init_cfg`, taken apart."""


def split_pretrained(init_cfg: dict | list | None) -> tuple[list[dict], list[dict]]:
    """Split an `init_cfg` into initializers and checkpoints.

    MMEngine's own `Pretrained` loads with strict=False. Modules of mmhvt load checkpoints themselves, all or nothing.

    Args:
        init_cfg: One config, several, or None.

    Returns:
        tuple[list[dict], list[dict]]: Configs of all other types, and configs of type 'Pretrained'.
    """
    configs = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or [])
    pretrained = [cfg for cfg in configs if cfg['type'] == 'Pretrained']
    return [cfg for cfg in configs if cfg['type'] != 'Pretrained'], pretrained
