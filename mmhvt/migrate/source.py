"""Sources of weights: how configs and state dicts of one model in one repository become ours, and back."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from .names import NameTable
from .options import named_model, resolve_options

StateDict = dict[str, Tensor]


class Source:
    """A model family in one repository.

    A subclass is a table of parameter names and a table of options. Where tensors are cut or laid out in another way,
    it overrides :meth:`unpack` and :meth:`pack`.

    Attributes:
        family: Family of models, such as 'mvit'.
        repository: Repository, such as 'timm'. Family and repository make the name, 'mvit.timm'.
        title: Whose model it is, for messages: "timm's MViTv2".
        aliases: Other words for the repository, from which :func:`get_source` infers what was meant.
        golden: First word of `source` in golden files, if there are any.
        table: Pairs of their and our parameter names, after :meth:`unpack`.
        translated: Prefixes of their names that the table knows; others stay as they are. By default all names.
        buffers: Suffixes of names of tensors that a model computes itself. They are left out, and not exported.
        signature: Parameter names that identify a file of this source.
        priority: Which source a file belongs to if several match: the highest (set by :func:`register`).
        models: Options of models that have names.
        defaults: Options that are translated, with their defaults.
        required: Options that are translated and have no default.
        fixed: Options of which our model supports one value, with that value.
        ignored: Options that do not change the backbone.
    """

    family: ClassVar[str]
    repository: ClassVar[str]
    title: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    golden: ClassVar[str | None] = None
    table: ClassVar[NameTable]
    translated: ClassVar[tuple[str, ...]] = ()
    buffers: ClassVar[tuple[str, ...]] = ()
    signature: ClassVar[tuple[str, ...]] = ()
    priority: ClassVar[int] = 0
    models: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    defaults: ClassVar[Mapping[str, Any]] = {}
    required: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """Name on the command line, `family.repository`."""
        return f'{self.family}.{self.repository}'

    def __repr__(self) -> str:
        return f'<source {self.name}>'

    # ------------------------------------------------------------------------------------------------------- config

    def backbone_cfg(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Config of our backbone from the options of their model.

        Args:
            reference_config: Options as their code takes them, and `name` if their models have names. Options that are
                left out have their defaults.

        Raises:
            ValueError: If an option is unknown or missing, or has a value that our model does not support.
        """
        return self.translate(self.options(reference_config))

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options with defaults filled in; see :meth:`backbone_cfg`."""
        given = named_model(self.title, reference_config, self.models) if self.models else reference_config
        return resolve_options(self.title, given, self.defaults, self.fixed, self.ignored, self.required)

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone from the result of :meth:`options`."""
        raise NotImplementedError

    def mae_cfg(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Config of our masked autoencoder from the options of theirs.

        Raises:
            ValueError: If they have none, or as :meth:`backbone_cfg`.
        """
        raise ValueError(f'{self.title} has no masked autoencoder')

    # --------------------------------------------------------------------------------------------------- parameters

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether a file looks like one of this source, or of a source of higher priority that has the same names."""
        return all(name in state_dict for name in self.signature)

    def state_dict(self, reference_state_dict: Mapping[str, Tensor]) -> StateDict:
        """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

        Raises:
            ValueError: If the model does not have a parameter with that name, or has one parameter twice.
        """
        left_out = self.left_out(reference_state_dict)
        theirs = self.unpack({name: v for name, v in reference_state_dict.items() if name not in left_out})
        origins: dict[str, str] = {}
        for name in theirs:
            ours = self._translate(name, self.table.ours, self.translated)
            if ours in origins:
                raise ValueError(f'{self.title}: {origins[ours]} and {name} are both our {ours}')
            origins[ours] = name
        return {ours: theirs[name] for ours, name in origins.items()}

    def export(self, state_dict: Mapping[str, Tensor]) -> StateDict:
        """Inverse of :meth:`state_dict`.

        Raises:
            ValueError: If their model does not have a parameter with that name.
        """
        translated = ('backbone.', 'cls_head.') if self.translated else ()
        return self.pack({self._translate(k, self.table.theirs, translated): v for k, v in state_dict.items()})

    def left_out(self, reference_state_dict: Mapping[str, Tensor]) -> dict[str, str]:
        """Their tensors that :meth:`state_dict` leaves out, and why."""
        return {name: 'computed, not learned' for name in reference_state_dict if name.endswith(self.buffers)}

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str | None:
        """How the input of a file's classifier is pooled, as our `out_type`; None if the file does not say."""
        return None

    def unpack(self, theirs: StateDict) -> StateDict:
        """Their tensors one by one, in the shapes of ours, under the names that the table has."""
        return theirs

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return theirs

    def _translate(self, name: str, translate: Callable[[str], str | None], translated: tuple[str, ...]) -> str:
        if translated and not name.startswith(translated):
            return name
        found = translate(name)
        if found is None:
            raise ValueError(f'{name!r} is not a parameter of {self.title}')
        return found


_REGISTRY: dict[str, Source] = {}


def register(priority: int = 0) -> Callable[[type[Source]], type[Source]]:
    """Class decorator that makes a source known.

    Args:
        priority: Sources of higher priority are asked first. Set it where names of one source include those of another.
            Defaults to 0.

    Raises:
        ValueError: If there already is a source with that name.
    """

    def add(cls: type[Source]) -> type[Source]:
        source = cls()
        if source.name in _REGISTRY:
            raise ValueError(f'there are two sources {source.name}')
        cls.priority = priority
        _REGISTRY[source.name] = source
        return cls

    return add


def all_sources() -> list[Source]:
    """All sources in the order in which they are asked."""
    return sorted(_REGISTRY.values(), key=lambda source: (-source.priority, source.name))


def get_source(name: str) -> Source:
    """The source with a name such as 'mvit.timm'.

    Raises:
        ValueError: If there is none. The message says what to write.
    """
    if name in _REGISTRY:
        return _REGISTRY[name]
    alike = [source for source in all_sources() if name.casefold() in _words(source)]
    listed = ', '.join(f'{source.name} ({source.title})' for source in _by_name(alike or all_sources()))
    raise ValueError(f'no source {name!r}: {"write" if len(alike) == 1 else "choose from"} {listed}')


def golden_source(text: str) -> Source:
    """The source that a golden file names by its own words, such as 'hiera-transformer 0.1.4'.

    Raises:
        ValueError: If there is none.
    """
    for source in all_sources():
        if source.golden == text.split()[0]:
            return source
    known = ', '.join(source.golden for source in _by_name(all_sources()) if source.golden)
    raise ValueError(f'no source for golden files of {text!r}: there are {known}')


def identify(state_dict: Mapping[str, Tensor]) -> Source | None:
    """The source that a state dict looks like, or None."""
    return next((source for source in all_sources() if source.matches(state_dict)), None)


def _words(source: Source) -> set[str]:
    return {word.casefold() for word in (source.family, source.repository, source.golden or '', *source.aliases)}


def _by_name(found: Iterable[Source]) -> list[Source]:
    return sorted(found, key=lambda source: source.name)
