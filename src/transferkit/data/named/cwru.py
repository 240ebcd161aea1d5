"""CWRU bearings: vibration of a motor with damaged bearings, under four loads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ...core.protocols import Array
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_PACKED = "cwru_de12k_driveend_4loads.npz"
_WINDOW = 1024
_FIRST = {  # fault: number of the official file at load 0; those of loads 1, 2, 3 follow
    "IR_7": 105, "IR_14": 169, "IR_21": 209, "B_7": 118, "B_14": 185, "B_21": 222, "OR6_7": 130, "OR6_14": 197,
    "OR6_21": 234,
}  # fmt: skip
_SUMS = {  # official file: sum of its drive-end signal as float32
    105: "aaae58575c1fe967eb3ed3f71f61fd2f01e2169622b4b24e7e4b6ac4ee61ee17",
    106: "f8837828e2bb3cf1902e76ed1414c81c291ddd3974086cfa8255947a51be1ea6",
    107: "67a531f47d7d3b0b325db91446f0d95e4dbd661450a1e4de5ddc3f0b5aab6b14",
    108: "21fb31c00f2ee0048ab5e826b7f1db84b149c074dec9b59c521fadb1983086de",
    169: "5614eb17c8dfb5407b54cbc8010649d8511ec84e9f47be9f23b79b129642c0ab",
    170: "d1e0a822300eeca687f318387f9ed701efd8959b0d51ced2da75375964910c17",
    171: "dee4d2c921ab9918542c60ec571e7210c63734cde9fde3f3bc8bbed933c31301",
    172: "2d8c3159ae2799e33737f9d24d89270ade837ca930fcce27fe01facd9b740c6b",
    209: "ed31537c9a92633802a2e942524fd29bd780d36e686d355ad5c90f0259b14bef",
    210: "5805b2af9e02dffefcd6e8b079a0026d776e5ae324b8c45d20b90ece51d2cd36",
    211: "d5d4f27271fea526321c0dcc52e90ade9b4e0e124c9edae474e0c3f0581785d3",
    212: "52a57bfef8a36b13df34d4ca4fc15edb9a57c59fa04d5080a4a210c5f634dc96",
    118: "ce1a56599c61c4c2657dd8713436666fd9cab1b23ae60c4b93ce86101e89a559",
    119: "51bbbe024a1b6b78c8b6f2c38724f4b156c0ceaf79983334a8ddca784ac29f71",
    120: "2e8dd37068a7ccde8d1448b1a7eaf87e852337106e74ec7ae0f5be0b33847b05",
    121: "0c1c4c565286b397e7d9ed86d6850a4a8225b2f2fc8f5ad405c2fb8ae0502ac3",
    185: "cfc58778e0522793b99accbe49d277ad37d105cc798f1a8783e110e7285b58eb",
    186: "d7bb60f07e4dfe83aac09eb0ee25057eea90a9c99c610dc90212cd212c60b069",
    187: "5ee90d08ad49c3cfeb524b1f71d49e997a4fdcfe7de621600a30218403f29139",
    188: "85aec1294f655895ac4df16c27f4e65cf04d95129bc0754ac5542e521a00c784",
    222: "9621542f55f0219babdae6e6c2477858d0849dabd9fc452d445cb437a1867246",
    223: "64d488aac66cf4704aee03829402866c3548f653ce69bc1ecdce724e07a9898a",
    224: "0e9aa23d86354d03cde7ef591b8a1c0a303b572e5a4d075cd0b0cf56cf842f81",
    225: "687d16a64cff006af7b175255b5311c01762641d6777ab1bce38db784b7230bd",
    130: "419c450115f5686e752b83e5eeab1afcd21914c8b59978f22a0250de4425de03",
    131: "d1189671d040f58affb7fbd3e8f6c76fa2fd4d78ca2a67bccd576ece4154b218",
    132: "818516899e7ccbd356a1a89096ff6692755c8f4a7042334c476f32b6a84e8c43",
    133: "2664896a3dd1a1ae4a8891e4881560ff141798da93a501b5de6891794b1ff575",
    197: "73acc8b4148eeea316553a45200829df6fd6e349e61f02c18e674e3e07ab1e5c",
    198: "86496427fce745632c18adcd2e8944f5d74dd0ee184b18afbba308bf4ec49ff7",
    199: "ed317c2c7ba15b6cb2eb386cc7ee376facdb3951f616b6fe1076a8dad03ba064",
    200: "200c2284fc424b42220d5c3e35c7578752c1ae87d3e0df34b9b647d0a7242115",
    234: "a07114ae115fcf1a6bfec025fbffcfcdd57b97edd97208311da59e3112be9c4d",
    235: "045a5a14518a9db6df187fac3f94d70c9ec8e410b0c1360783cc3c1088b66587",
    236: "2920283df61585e99cb3db5699c9bccf4ea2aee9b6dba5008608e2ed469e8a0c",
    237: "e093032050bbd2d31095b58e3ea7e84dda6503eb098f368f03449de415ef059c",
}


def _number(domain: str, fault: str) -> int:
    return _FIRST[fault] + int(domain[0])


def _official(path: Path, number: int) -> Array:
    """The drive-end signal of an official file, as float32."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    name = f"X{number:03d}_DE_time"
    try:
        return loadmat(path, appendmat=False, variable_names=[name])[name].ravel().astype(np.float32)
    except MatReadError as err:
        raise ValueError(f"not a MATLAB file: {err}") from err


def _content(path: Path, file: File) -> str:
    """Sum of the drive-end signal as float32."""
    return hashlib.sha256(_official(path, int(Path(file.path).stem)).tobytes()).hexdigest()


def _signals(place: Place, domain: str) -> dict[str, Array]:
    if place.original:
        numbers = {fault: _number(domain, fault) for fault in _FIRST}
        return {fault: _official(place.folder / f"{number}.mat", number) for fault, number in numbers.items()}
    with np.load(place.folder / _PACKED, allow_pickle=False) as content:
        return {fault: content[f"{domain}_{fault}"] for fault in _FIRST}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    rows = {}
    for domain in domains:
        windows = {
            fault: signal[: len(signal) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
            for fault, signal in _signals(place, domain).items()
        }
        X = np.concatenate(list(windows.values()))
        if preprocess == "spectrum":
            X = (np.abs(np.fft.rfft(X, axis=1)[:, : _WINDOW // 2]) / _WINDOW).astype(np.float32)
        rows[domain] = (X, np.repeat(list(windows), [len(w) for w in windows.values()]))
    return rows


SET = NamedSet(
    name="cwru",
    title="CWRU bearings: vibration of a motor with nine kinds of bearing damage, under four loads",
    domains=("0hp", "1hp", "2hp", "3hp"),
    task="classification",
    n_features=_WINDOW,
    files=(File(f"cwru/{_PACKED}", "2a770f1e1693edb31b17e29063ffb24f604590564bcc0173c1e73ce89ce7a592", 10930573),),
    licence="none stated; credit belongs to the Case Western Reserve University Bearing Data Center",
    source="Case Western Reserve University Bearing Data Center (12 kHz, drive end)",
    read=_read,
    labels=("fault",),
    preprocessings=("raw", "spectrum"),
    notes=(
        "labels are the damaged part (IR inner race, B ball, OR6 outer race at 6 o'clock) and its diameter in mils",
        "raw: windows of 1024 samples that do not overlap, 1066 to 1070 a load; spectrum: magnitudes of the first 512"
        " frequencies of each window's Fourier transform, divided by 1024",
        "no healthy bearing: published ten-class tables have one class more",
        "windows of one damage come from one recording: a random split within a domain is far too easy",
    ),
    originals=tuple(
        File(
            f"cwru/{number}.mat",
            total,
            None,
            f"https://engineering.case.edu/sites/default/files/{number}.mat",
            "content",
        )
        for number, total in _SUMS.items()
    ),
    content=_content,
)
