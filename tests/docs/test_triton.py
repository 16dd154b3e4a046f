"""The Triton model repository of docs/guides/export.md: its commands, its configuration, and its client's frames."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message
from mmengine import Config

from helpers import ROOT
from helpers.pages import blocks
from mmhvt.apis import ActionRecogInferencer
from mmhvt.synthetic.moving_shapes import MOTIONS, write_dataset

PAGE = 'guides/export.md'
EXAMPLE = ROOT / 'docs/guides/triton/moving_shapes'
CONFIG = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
# types of Triton's configuration and of ONNX Runtime
TYPES = {'TYPE_UINT8': 'tensor(uint8)', 'TYPE_FP32': 'tensor(float)', 'TYPE_INT64': 'tensor(int64)'}
# the fields of Triton's ModelConfig that the example may use: name, type, whether it is a list
STRING, INT, ENUM, MESSAGE = 9, 3, 14, 11
TENSOR = [('name', STRING, False), ('data_type', ENUM, False), ('dims', INT, True)]
MESSAGES = {
    'Input': TENSOR,
    'Output': [*TENSOR, ('label_filename', STRING, False)],
    'DynamicBatching': [('preferred_batch_size', INT, True), ('max_queue_delay_microseconds', INT, False)],
    'ModelConfig': [
        ('name', STRING, False),
        ('backend', STRING, False),
        ('max_batch_size', INT, False),
        ('input', 'Input', True),
        ('output', 'Output', True),
        ('dynamic_batching', 'DynamicBatching', False),
    ],
}


def model_config() -> type[Message]:
    """A class with these fields of Triton's ModelConfig; in the text format, numbers of fields do not matter."""
    file = descriptor_pb2.FileDescriptorProto(name='triton.proto', package='triton', syntax='proto3')
    file.enum_type.add(name='DataType').value.add(name='TYPE_INVALID', number=0)
    for number, name in enumerate(TYPES, 1):
        file.enum_type[0].value.add(name=name, number=number)
    for message, fields in MESSAGES.items():
        kind = file.message_type.add(name=message)
        for number, (name, of, repeated) in enumerate(fields, 1):
            field = kind.field.add(name=name, number=number, label=3 if repeated else 1)
            field.type = MESSAGE if isinstance(of, str) else of
            if of == ENUM or isinstance(of, str):
                field.type_name = '.triton.DataType' if of == ENUM else f'.triton.{of}'
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName('triton.ModelConfig'))


def parse(text: str) -> Any:
    """A config.pbtxt; raises a ParseError for unknown fields and values."""
    return text_format.Parse(text, model_config()())


def types(tensor: Any) -> str:
    return TYPES[tensor.DESCRIPTOR.fields_by_name['data_type'].enum_type.values_by_number[tensor.data_type].name]


def test_configuration_is_that_of_the_config() -> None:
    cfg, triton = Config.fromfile(CONFIG), parse((EXAMPLE / 'config.pbtxt').read_text())
    assert triton.backend == 'onnxruntime' and triton.max_batch_size > 1
    (frames,), (scores,) = triton.input, triton.output
    assert list(frames.dims) == [*cfg.model.backbone.input_size, 3]
    assert list(scores.dims) == [cfg.model.cls_head.num_classes]
    assert tuple((EXAMPLE / scores.label_filename).read_text().splitlines()) == tuple(cfg.metainfo.classes)


def test_what_triton_would_not_know_is_an_error() -> None:
    text = (EXAMPLE / 'config.pbtxt').read_text()
    for old, new in {'max_batch_size': 'batch_size', 'TYPE_UINT8': 'UINT8', 'dims: [ 8 ]': 'dims: [ N ]'}.items():
        assert old in text
        with pytest.raises(text_format.ParseError):
            parse(text.replace(old, new))


@pytest.fixture(scope='module')
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the page's commands were run, with videos, and a model whose scores differ from clip to clip."""
    for name in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(name)
    import torch
    from mmengine.registry import MODELS, DefaultScope

    from mmhvt.export import export_model

    folder = tmp_path_factory.mktemp('triton')
    cfg = Config.fromfile(CONFIG)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    for value in model.parameters():
        if value.ndim > 1:
            torch.nn.init.xavier_uniform_(value.flatten(1), gain=1.5)
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')
    (folder / 'work_dirs/demo-export').mkdir(parents=True)
    export_model(cfg, folder / 'weights.pth', folder / 'work_dirs/demo-export/model.onnx')
    (folder / 'docs').symlink_to(ROOT / 'docs')
    (commands,) = (text for language, text in blocks(PAGE) if language == 'bash' and 'models/moving_shapes' in text)
    subprocess.run(['bash', '-e', '-c', commands], cwd=folder, check=True)
    write_dataset(folder / 'data/moving_shapes', clips_per_class=1, val_clips_per_class=1, processes=1)
    return folder


@pytest.mark.slow
def test_repository_has_the_layout_of_the_page(repository: Path) -> None:
    (layout,) = (text for language, text in blocks(PAGE) if language == 'text' and text.startswith('models/'))
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in layout.splitlines()]
    parents: list[tuple[int, str]] = []
    wanted = set()
    for indent, name in lines:
        parents = [(depth, part) for depth, part in parents if depth < indent] + [(indent, name)]
        wanted.add(''.join(part for _, part in parents).rstrip('/'))
    found = {str(path.relative_to(repository)) for path in (repository / 'models').rglob('*')} | {'models'}
    assert found == wanted


@pytest.mark.slow
def test_configuration_fits_the_file(repository: Path) -> None:
    import onnxruntime

    folder = repository / 'models/moving_shapes'
    triton = parse((folder / 'config.pbtxt').read_text())
    session = onnxruntime.InferenceSession(folder / '1/model.onnx', providers=['CPUExecutionProvider'])
    for tensors, of_file in ((triton.input, session.get_inputs()), (triton.output, session.get_outputs())):
        assert [each.name for each in tensors] == [each.name for each in of_file]
        for ours, theirs in zip(tensors, of_file, strict=True):
            batch, *shape = theirs.shape
            assert isinstance(batch, str), 'the batch is fixed, and Triton forms batches'
            assert (types(ours), list(ours.dims)) == (theirs.type, shape)
    names = session.get_modelmeta().custom_metadata_map['classes']
    (scores,) = triton.output
    labels = (folder / scores.label_filename).read_text().splitlines()
    assert names == '["' + '", "'.join(labels) + '"]' and labels == list(MOTIONS)
    # batches as the server forms them
    for batch in (1, triton.max_batch_size):
        (found,) = session.run(None, {'frames': np.zeros((batch, *triton.input[0].dims), np.uint8)})
        assert found.shape == (batch, *scores.dims)


@pytest.mark.slow
def test_client_sends_what_the_config_tests(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    (client,) = (text for language, text in blocks(PAGE) if language == 'python' and 'VideoCapture' in text)
    monkeypatch.chdir(repository)
    variables: dict[str, Any] = {}
    exec(client, variables)
    session = onnxruntime.InferenceSession('models/moving_shapes/1/model.onnx')
    (logits,) = session.run(['scores'], {'frames': variables['clip']})
    inferencer = ActionRecogInferencer(str(CONFIG), 'weights.pth', device='cpu')
    inferencer.show_progress = False
    scores = {}
    for name in ('up', 'down'):
        (found,) = inferencer(f'data/moving_shapes/videos_val/{name}_00000.mp4')['predictions']
        scores[name] = np.array(found['pred_scores'])
    exponents = np.exp(logits[0] - logits.max())
    np.testing.assert_allclose(exponents / exponents.sum(), scores['up'], atol=1e-4)
    assert np.abs(scores['up'] - scores['down']).max() > 1e-3, 'any clip would do'
