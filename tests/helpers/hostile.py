"""Files that are made to do harm to whoever reads them."""

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

# functions that would do something to the file MARK, and their arguments
COMMAND = 'touch MARK'
PYTHON = 'open("MARK", "w").close()'
CALLS: list[tuple[str, str, tuple]] = [
    ('os', 'system', (COMMAND,)),
    ('posix', 'system', (COMMAND,)),
    ('nt', 'system', (COMMAND,)),
    ('os', 'popen', (COMMAND,)),
    ('os', 'execl', ('/bin/sh', 'sh', '-c', COMMAND)),
    ('os', 'spawnlp', (0, 'touch', 'touch', 'MARK')),
    ('os', 'mkdir', ('MARK',)),
    ('os', 'putenv', ('MARK', 'x')),
    ('os', '_exit', (3,)),
    ('sys', 'exit', (3,)),
    ('subprocess', 'Popen', (['touch', 'MARK'],)),
    ('subprocess', 'call', (['touch', 'MARK'],)),
    ('subprocess', 'check_output', (['touch', 'MARK'],)),
    ('subprocess', 'getoutput', (COMMAND,)),
    ('commands', 'getoutput', (COMMAND,)),
    ('pty', 'spawn', (['touch', 'MARK'],)),
    ('builtins', 'eval', (PYTHON,)),
    ('builtins', 'exec', (PYTHON,)),
    ('builtins', 'open', ('MARK', 'w')),
    ('builtins', '__import__', ('antigravity',)),
    ('builtins', 'compile', (PYTHON, 'x', 'exec')),
    ('builtins', 'input', ('?',)),
    ('builtins', 'breakpoint', ()),
    ('builtins', 'memoryview', (b'x',)),
    ('__builtin__', 'eval', (PYTHON,)),
    ('__builtin__', 'file', ('MARK', 'w')),
    ('builtins', 'exec.__call__', (PYTHON,)),
    ('builtins', 'getattr', (str, '__class__')),
    ('builtins', 'setattr', (np.ndarray, 'x', 1)),
    ('builtins', 'type', ('X', (), {})),
    ('builtins', 'map', (print, ['MARK'])),
    ('collections', 'OrderedDict.__init__.__globals__', ()),
    ('numpy', 'ndarray.tofile', ('MARK',)),
    ('numpy', 'save', ('MARK', 1)),
    ('numpy', 'fromfile', ('/etc/passwd',)),
    ('numpy', 'memmap', ('MARK', 'u1', 'w+', 0, 8)),
    ('numpy', 'load', ('MARK', None, True)),
    ('numpy.core.multiarray', 'fromfile', ('/etc/passwd',)),
    ('numpy.testing._private.utils', 'runstring', (PYTHON, {})),
    ('numpy.f2py.crackfortran', 'getlincoef', (PYTHON, {})),
    ('torch', 'save', (1, 'MARK')),
    ('torch', 'load', ('MARK',)),
    ('torch.serialization', 'load', ('MARK',)),
    ('torch.jit', 'load', ('MARK',)),
    ('torch.hub', 'load', ('MARK', 'x', 'local')),
    ('torch.hub', 'download_url_to_file', ('file:///etc/passwd', 'MARK')),
    ('torch.storage', '_load_from_bytes', (pickle.dumps(1),)),
    ('torch.utils.cpp_extension', 'load', ('x', ['MARK'])),
    ('torch.multiprocessing', 'spawn', (print,)),
    ('torch.fx.graph_module', 'reduce_graph_module', ({}, PYTHON)),
    ('torch.package', 'PackageImporter', ('MARK',)),
    ('pickle', 'loads', (pickle.dumps(1),)),
    ('_pickle', 'loads', (pickle.dumps(1),)),
    ('dill', 'loads', (pickle.dumps(1),)),
    ('cloudpickle', 'loads', (pickle.dumps(1),)),
    ('joblib', 'load', ('MARK',)),
    ('marshal', 'loads', (b'N',)),
    ('pandas', 'read_pickle', ('MARK',)),
    ('yaml', 'unsafe_load', ('!!python/object/apply:os.system ["touch MARK"]',)),
    ('importlib', 'import_module', ('antigravity',)),
    ('importlib.machinery', 'SourceFileLoader', ('x', 'MARK')),
    ('runpy', 'run_path', ('MARK',)),
    ('functools', 'partial', (print, 'MARK')),
    ('operator', 'methodcaller', ('system', COMMAND)),
    ('operator', 'attrgetter', ('system',)),
    ('types', 'FunctionType', (1, {})),
    ('types', 'CodeType', ()),
    ('copyreg', '_reconstructor', (object, object, None)),
    ('copyreg', 'add_extension', ('os', 'system', 1)),
    ('copyreg', '__newobj__', (object,)),
    ('codecs', 'open', ('MARK', 'w')),
    ('_codecs', 'lookup', ('punycode',)),
    ('_codecs', 'encode', (PYTHON, 'utf-7')),
    ('io', 'FileIO', ('MARK', 'w')),
    ('_io', 'open', ('MARK', 'w')),
    ('pathlib', 'Path.touch', ('MARK',)),
    ('shutil', 'rmtree', ('MARK',)),
    ('shutil', 'copy', ('/etc/passwd', 'MARK')),
    ('tempfile', 'mkdtemp', ()),
    ('logging', 'FileHandler', ('MARK',)),
    ('logging.config', 'listen', (0,)),
    ('zipfile', 'ZipFile', ('MARK', 'w')),
    ('sqlite3', 'connect', ('MARK',)),
    ('ctypes', 'CDLL', ('libc.so.6',)),
    ('socket', 'create_connection', (('127.0.0.1', 9),)),
    ('urllib.request', 'urlretrieve', ('file:///etc/passwd', 'MARK')),
    ('webbrowser', 'open', ('file:///etc/passwd',)),
    ('http.server', 'HTTPServer', (('127.0.0.1', 0), None)),
    ('threading', 'Thread', (None, print)),
    ('multiprocessing', 'Process', (None, print)),
    ('signal', 'alarm', (1,)),
    ('timeit', 'timeit', (PYTHON,)),
    ('cProfile', 'run', (PYTHON,)),
    ('pdb', 'run', (PYTHON,)),
    ('code', 'interact', ()),
    ('bdb', 'Bdb', ()),
    ('doctest', 'debug_script', (PYTHON,)),
    ('pydoc', 'pipepager', ('x', COMMAND)),
    ('site', 'execsitecustomize', ()),
    ('mmengine.fileio', 'dump', (1, 'MARK.json')),
    ('mmengine.fileio.io', 'put_text', ('x', 'MARK')),
    ('mmengine.config', 'Config.fromstring', (PYTHON, '.py')),
    ('mmengine.config.config', 'Config._file2dict', ('MARK',)),
    ('mmengine.registry', 'build_from_cfg', ({'type': 'os.system'}, None)),
    ('mmengine.utils', 'import_modules_from_strings', ('antigravity',)),
    ('mmengine.logging', 'MMLogger', ('x',)),
    ('mmengine.logging', 'HistoryBuffer.register_statistics', (print,)),
    ('mmhvt.migrate.reading', 'fetch', ('http://127.0.0.1:9/x',)),
    ('mmhvt.migrate.pickles', 'importlib.import_module', ('antigravity',)),
]
FORMS = ('global', 'stack global', 'instance', 'object', 'new object', 'build', 'key', 'within')


def _values(args: tuple) -> bytes:
    """Arguments on the stack, in protocol 2; None for a function, which could not be imported either."""
    return b''.join(pickle.dumps(None if callable(arg) else arg, 2)[2:-1] for arg in args)


def _named(value: object, mark: Path) -> object:
    if isinstance(value, str):
        return value.replace('MARK', str(mark))
    if isinstance(value, list | tuple):
        return type(value)(_named(item, mark) for item in value)
    return value


def pickles(mark: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles, with a name each, that would touch the file `mark`, by each call in each form."""
    for module, name, args in CALLS:
        arguments = _values(_named(args, mark))
        line = f'c{module}\n{name}\n'.encode()
        call = line + b'(' + arguments + b'tR'
        texts = b''.join(b'\x8c' + bytes([len(text)]) + text.encode() for text in (module, name))
        made = {
            'global': b'\x80\x02' + call + b'.',
            'stack global': b'\x80\x04' + texts + b'\x93(' + arguments + b'tR.',
            'instance': b'(' + arguments + f'i{module}\n{name}\n.'.encode(),
            'object': b'\x80\x02(' + line + arguments + b'o.',
            'new object': b'\x80\x02' + line + b'(' + arguments + b't\x81.',
            'build': b'\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00x' + call + b'sb.',
            'key': b'\x80\x02}' + call + b'K\x01s.',
            'within': b'\x80\x02}X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00a' + call + b'ss.',
        }
        for form in FORMS:
            yield f'{module}.{name} as {form}', made[form]


def write_torch(path: Path, data: bytes, legacy: bool = False) -> None:
    """A file of `torch.save` with a pickle of one's own."""
    if legacy:
        head = io.BytesIO()
        torch.save(dict(a=torch.ones(1)), head, _use_new_zipfile_serialization=False)
        place = 0
        for _ in range(3):  # number, version, machine
            place = head.getvalue().index(b'.', place) + 1
        # of the machine, a text may have a dot
        place = head.getvalue().index(b'\x80\x02', place)
        path.write_bytes(head.getvalue()[:place] + data + pickle.dumps([], 2))
        return
    writer = torch._C.PyTorchFileWriter(str(path))
    writer.write_record('data.pkl', data, len(data))
    writer.write_record('byteorder', b'little', 6)
    writer.write_record('version', b'3\n', 2)
    writer.write_end_of_file()


def write_script(path: Path, data: bytes) -> None:
    """A TorchScript archive with a pickle of one's own."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('m/data.pkl', data)
        archive.writestr('m/constants.pkl', b'\x80\x02).')
        archive.writestr('m/version', '3\n')


def _text(text: str) -> bytes:
    return b'X' + struct.pack('<I', len(text)) + text.encode()


def _entry(number: int) -> bytes:
    return b'J' + struct.pack('<i', number) + b'N'


def _copies(function: bytes, arguments: bytes) -> bytes:
    """The rest of a pickle of a list of 20 000 calls of one function on the same arguments."""
    return function + b'q\x01' + arguments + b'q\x02' + b'h\x01h\x02R' * 20_000 + b'l.'


def bombs(folder: Path) -> list[Path]:
    """Small files that ask for much memory or time."""
    lies = {
        'text': b'\x80\x04\x8d' + struct.pack('<Q', 1 << 40) + b'x.',
        'bytes': b'\x80\x04\x8e' + struct.pack('<Q', 1 << 35) + b'x.',
        'bytearray': b'\x80\x05\x96' + struct.pack('<Q', 1 << 35) + b'x.',
        'text4': b'\x80\x02X' + struct.pack('<I', (1 << 32) - 1) + b'x.',
        'bytes4': b'\x80\x03B' + struct.pack('<I', (1 << 32) - 1) + b'x.',
        'long': b'\x80\x02\x8b' + struct.pack('<i', (1 << 31) - 1) + b'x.',
        'frame': b'\x80\x04\x95' + struct.pack('<Q', 1 << 40) + b'N.',
        'memo': b'\x80\x02Nr' + struct.pack('<I', (1 << 31) - 1) + b'.',
        'memo_in_words': b'\x80\x02Np2147483647\n.',
        'number': b'I' + b'9' * 1_000_000 + b'\n.',
        'reduce_bytes': b'\x80\x02cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.',
        'reduce_bytearray': b'\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.',
        'deep_list': b'\x80\x02' + b']' * 20_000 + b'a' * 19_999 + b'.',
        'deep_tuple_key': b'\x80\x02})' + b'\x85' * 500_000 + b'Ns.',
        'wide_tuple_key': b'\x80\x02})' + b'q\x01h\x01\x86' * 80 + b'Ns.',
        'dup_tuple_key': b'\x80\x02})' + b'2\x86' * 80 + b'Ns.',
        'deep_mark': b'\x80\x02' + b'(' * 100_000 + b'.',
        'hex': b'\x80\x02c_codecs\nencode\nq\x01X\x01\x00\x00\x00xX\x06\x00\x00\x00latin1\x86R'
        + b'q\x02h\x01h\x02X\x03\x00\x00\x00hex\x86R' * 40
        + b'.',
        'copied_text': b'\x80\x02(' + _copies(b'c_codecs\nencode\n', _text('a' * 200_000) + _text('latin1') + b'\x86'),
        'copied_dict': b'\x80\x02('
        + _copies(b'ccollections\nOrderedDict\n', b'}(' + b''.join(map(_entry, range(20_000))) + b'u\x85'),
        'copied_array': b'\x80\x03('
        + _copies(
            b'cnumpy._core.numeric\n_frombuffer\n',
            b'(B' + struct.pack('<I', 200_000) + bytes(200_000) + b'cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R'
            b'J\x40\x0d\x03\x00\x85X\x01\x00\x00\x00Ct',
        ),
        'empty_sets': b'\x80\x04(' + b'\x8f' * 400_000 + b'l.',
        'empty_dicts': b'\x80\x02(' + b'ccollections\nOrderedDict\nq\x01' + b'h\x01)R' * 400_000 + b'l.',
        'endless': b'\x80\x02' + b'(' * 10,
        'nothing': b'',
        'no_stack': b'\x80\x02R.',
    }
    found = []
    for name, data in lies.items():
        (folder / f'{name}.pkl').write_bytes(data)
        (folder / f'{name}.pth').write_bytes(data)
        write_torch(folder / f'{name}_zip.pth', data or b'.')
        write_torch(folder / f'{name}_legacy.pth', data, legacy=True)
        write_script(folder / f'{name}_script.pt', data)
        found += [folder / f'{name}{end}' for end in ('.pkl', '.pth', '_zip.pth', '_legacy.pth', '_script.pt')]
    zeros = bytes(1 << 20)
    for name, record in (('deflated.pth', 'x/data.pkl'), ('deflated.npz', 'a.npy'), ('deflated.pt', 'x/data/0')):
        with zipfile.ZipFile(folder / name, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            if name.endswith('.pt'):
                archive.writestr('x/constants.pkl', b'\x80\x02).')
                archive.writestr('x/data.pkl', b'\x80\x02N.')
            with archive.open(record, 'w', force_zip64=True) as file:
                for _ in range(300):
                    file.write(zeros)
        found.append(folder / name)
    with zipfile.ZipFile(folder / 'pickle.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('x/data.pkl', b'\x80\x02(' + b'N' * 60_000_000 + b'l.')
    found.append(folder / 'pickle.pth')
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = folder / f'method{method}.pth'
        with zipfile.ZipFile(path, 'w', method) as archive, archive.open('x/data.pkl', 'w') as file:
            for _ in range(300):
                file.write(zeros)
        data = bytearray(path.read_bytes())
        # of what it unfolds to, the directory says less
        struct.pack_into('<I', data, data.rindex(b'PK\x01\x02') + 24, 1000)
        path.write_bytes(data)
        found.append(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, dict(descr='<f4', fortran_order=False, shape=(10**12,)))
    with zipfile.ZipFile(folder / 'shape.npz', 'w') as archive:
        archive.writestr('a.npy', header.getvalue() + bytes(100))
    torch.save(dict(a=torch.zeros(1).expand(10**6, 10**6)), folder / 'view.pth')
    (folder / 'header.safetensors').write_bytes(struct.pack('<Q', 1 << 40) + b'{}')
    tensor = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    (folder / 'size.safetensors').write_bytes(struct.pack('<Q', len(tensor)) + tensor + bytes(16))
    (folder / 'deep.safetensors').write_bytes(struct.pack('<Q', 100_000) + b'[' * 100_000)
    found += [folder / name for name in ('shape.npz', 'view.pth', 'header.safetensors', 'size.safetensors')]
    found.append(folder / 'deep.safetensors')
    for name, head in (('zeros.pth', b''), ('zeros.pkl', b'\x80\x02'), ('zeros.safetensors', b'')):
        with open(folder / name, 'wb') as file:
            file.write(head)
            file.truncate(1 << 40)  # takes no place on the disk
        found.append(folder / name)
    return found
