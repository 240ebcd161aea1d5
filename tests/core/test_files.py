"""Files that are whole or not there, whatever stands at their place."""

import os

import pytest

from transferkit import DataError
from transferkit.core.files import atomic_file, atomic_write


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = atomic_write(tmp_path / "a b ü.txt", "old")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.write(None)
    with pytest.raises(DataError, match=r"a b ü\.txt: cannot be written \(full\)"), atomic_file(path) as file:
        raise OSError(28, "full")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(DataError, match="cannot be written"):
        atomic_write(tmp_path / "none" / "a.txt", "")
    with pytest.raises(DataError, match="cannot be written"):
        atomic_write(tmp_path, "")


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "other").mkdir()
    place = atomic_write(tmp_path / "other" / "a.txt", "old")
    (tmp_path / "link").symlink_to(place)
    atomic_write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert place.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="rights are others here")
def test_who_may_read_a_file_stays(tmp_path):
    before = os.umask(0o027)
    try:
        path = atomic_write(tmp_path / "a.txt", "old")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    with atomic_file(path) as file:
        (beside,) = set(tmp_path.iterdir()) - {path}
        assert beside.stat().st_mode & 0o777 == 0o600
        file.write(b"new")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    """As /dev/stdout or /dev/null, which an ordinary file must not take the place of."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic_write(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
