"""Images: every mode becomes RGB, broken files are named, and folders, tables and zip files of them become domains."""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from transferkit import Domain, read
from transferkit.core.errors import DataError, MissingExtraError, TransferWarning
from transferkit.data import images as images_module
from transferkit.data.images import ImageSamples, check_image
from transferkit.data.layout import arrange, unwrap
from transferkit.data.places import Found, listing, read_bytes
from transferkit.data.readers import read_splits

Image = pytest.importorskip("PIL.Image")


def jpeg(seed=0, size=(24, 16)):
    """A noisy JPEG, of which no half is a whole."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def half():
    """A JPEG with a sound header that breaks off in its pixels."""
    content = jpeg(size=(96, 64))
    return content[: len(content) // 2]


def write(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(len(path.name)) if content is None else content)
    return path


def pixels(path):
    image = ImageSamples([path])[0]
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.fixture
def photos(tmp_path):
    """Class folders, with things in them that are no images."""
    root = tmp_path / "photos"
    for name in ("ants/1.jpg", "ants/2.JPG", "ants/deep/3.jpeg", "bees/1.jpg", "Käfer & Co/ünïcode 蚂蚁.png"):
        write(root / name)
    write(root / "ants" / "Thumbs.db", b"stray")
    write(root / "ants" / "imageNotFound.gif", b"GIF89a stray")
    write(root / "ants" / "._1.jpg", b"what macOS leaves")
    write(root / "README.md", b"stray")
    return root


def pack(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + str(file.relative_to(folder)))
        archive.writestr("__MACOSX/._x.jpg", b"what macOS adds")
    return path


# Decoding


def test_sixteen_bit_grey_is_scaled_by_its_full_range(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535, 1000]], dtype=np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.mode.startswith("I;16")
        assert pixels(tmp_path / name)[0, :, 0].tolist() == [0, 1, 128, 255, 4]


def test_thirty_two_bits_are_read_as_sixteen_where_they_fit(tmp_path):
    Image.fromarray(np.array([[0, 65535]], dtype=np.int32)).save(tmp_path / "fits.tif")
    assert pixels(tmp_path / "fits.tif")[0, :, 0].tolist() == [0, 255]
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(DataError, match=r"wide\.tif.*pixels must lie in 0 to 65535; these lie in 0 to 70000"):
        pixels(tmp_path / "wide.tif")
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match=r"float\.tif.*these are floats"):
        pixels(tmp_path / "float.tif")


def test_cmyk_grey_bilevel_and_palette(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)  # magenta and yellow: red
    red = pixels(tmp_path / "cmyk.jpg")[4, 4].astype(int)
    assert red[0] > 230
    assert red[1:].max() < 40
    Image.new("L", (3, 2), 77).save(tmp_path / "grey.png")
    assert (pixels(tmp_path / "grey.png") == 77).all()
    Image.new("1", (3, 2), 1).save(tmp_path / "bilevel.png")
    assert (pixels(tmp_path / "bilevel.png") == 255).all()
    palette = Image.new("RGB", (4, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "palette.png")
    assert pixels(tmp_path / "palette.png")[0, 0].tolist() == [10, 200, 30]


def test_what_is_transparent_lies_on_white(tmp_path):
    half = np.zeros((1, 3, 4), dtype=np.uint8)
    half[0, :, 3] = [0, 255, 128]  # black: invisible, full, half
    Image.fromarray(half).save(tmp_path / "rgba.png")
    assert pixels(tmp_path / "rgba.png")[0, :, 0].tolist() == [255, 0, 127]
    Image.fromarray(half[:, :, [0, 3]]).save(tmp_path / "la.png")
    assert pixels(tmp_path / "la.png")[0, :, 0].tolist() == [255, 0, 127]
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([200, 0, 0, 0, 0, 200])
    palette.putpixel((1, 0), 1)
    for name, transparency in (("index.png", 0), ("bytes.png", bytes([0, 255]))):
        palette.save(tmp_path / name, transparency=transparency)
        assert pixels(tmp_path / name)[0].tolist() == [[255, 255, 255], [0, 0, 200]]
    Image.fromarray(np.array([[[9, 9, 9], [8, 8, 8]]], dtype=np.uint8)).save(
        tmp_path / "rgb.png", transparency=(9, 9, 9)
    )
    assert pixels(tmp_path / "rgb.png")[0, :, 0].tolist() == [255, 8]


def test_exif_orientation_turns_the_image(tmp_path):
    scene = np.zeros((8, 16, 3), dtype=np.uint8)
    scene[:, :8] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(scene).save(tmp_path / "turned.png", exif=exif)
    found = pixels(tmp_path / "turned.png")
    assert found.shape == (16, 8, 3)
    assert found[0, 0, 0] == 255
    assert found[-1, 0, 0] == 0


def test_broken_exif_says_nothing(tmp_path):
    content = jpeg()
    marker = b"Exif\0\0II*\0\xff\xff\xff\x7f"
    segment = b"\xff\xe1" + (len(marker) + 2).to_bytes(2, "big") + marker
    write(tmp_path / "a.jpg", content[:2] + segment + content[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PIL's own word on it
        assert pixels(tmp_path / "a.jpg").shape == (16, 24, 3)


def test_one_pixel(tmp_path):
    for name in ("a.png", "a.jpg", "a.bmp", "a.webp"):
        Image.new("RGB", (1, 1), "white").save(tmp_path / name)
        check_image(str(tmp_path / name), "decode")
        assert (pixels(tmp_path / name) == 255).all()


def test_pixels_and_bytes_in_memory():
    X = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    for array in (X, np.ascontiguousarray(np.moveaxis(X, 3, 1))):
        samples = ImageSamples.from_array(array)
        assert np.stack([np.asarray(image) for image in samples]).tolist() == X.tolist()
    for grey in (X[..., 0], X[..., :1], np.moveaxis(X[..., :1], 3, 1)):
        assert (np.asarray(ImageSamples.from_array(grey)[1]) == X[1, :, :, :1]).all()
    assert ImageSamples([jpeg()])[0].size == (24, 16)
    for wrong, match in (
        (X / 255.0, r"uint8 array.*Got float64"),
        (X[0, 0], r"Got uint8, shape \(5, 3\)"),
        (X[:0], "shape"),
        (np.zeros((2, 3, 8, 3), np.uint8), r"along axis 1 or the last"),
        (np.zeros((2, 9, 8, 7), np.uint8), r"along axis 1 or the last"),
        ([1, 2], "Got list"),
    ):
        with pytest.raises(DataError, match=match):
            ImageSamples.from_array(wrong)


def test_broken_files_are_named(tmp_path):
    cases = {
        "half.jpg": (half(), "truncated"),
        "empty.jpg": (b"", "It is empty"),
        "text.jpg": (b"not an image", "no known image format"),
        "gone.jpg": (None, "No such file"),
    }
    for name, (bytes_, match) in cases.items():
        if bytes_ is not None:
            write(tmp_path / name, bytes_)
        for call in (
            lambda n=name: ImageSamples([tmp_path / n])[0],
            lambda n=name: check_image(str(tmp_path / n), "decode"),
        ):
            with pytest.raises(DataError, match=match) as caught:
                call()
            assert str(caught.value).startswith(str(tmp_path / name))
            assert " at 0x" not in str(caught.value)
    check_image(str(tmp_path / "half.jpg"), "header")  # the header alone is sound
    with pytest.raises(DataError, match="image in memory"):
        ImageSamples([b"nothing"])[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp", "ppm"])
def test_damaged_bytes_never_do_more_than_refuse(suffix):
    image = Image.open(io.BytesIO(jpeg()))
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
    content, random = file.getvalue(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[int(random.integers(len(damaged)))] = int(random.integers(256))
        damaged = bytes(damaged[: int(random.integers(1, len(damaged) + 1))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's own words
            try:
                assert ImageSamples([damaged])[0].mode == "RGB"
            except DataError:
                refused += 1
    assert refused > 10


def test_what_pil_decodes_needs_pil(monkeypatch, tmp_path, photos):
    def missing():
        raise MissingExtraError("ImageSamples needs PIL: pip install 'transferkit[vision]'")

    monkeypatch.setattr(images_module, "_pil", missing)
    with pytest.raises(MissingExtraError, match=r"transferkit\[vision\]"):
        read(photos)


# The sequence


def test_samples_are_sliced_without_decoding(photos):
    domain = read(photos)
    X = domain.X
    assert isinstance(X[1:3], ImageSamples)
    assert X[np.array([4, 0])].items == [X.items[4], X.items[0]]
    assert X[[True, False, False, False, True]].items == [X.items[0], X.items[4]]
    assert X[-1].size == (24, 16)
    assert len(X[[]]) == 0
    with pytest.raises(IndexError):
        X[[True, False]]
    assert X[1:].name(0) == X.name(1) == X.items[1]


def test_digests_follow_the_bytes(tmp_path):
    a, b, c = (write(tmp_path / n, jpeg(s)) for n, s in (("a.jpg", 1), ("b.jpg", 1), ("c.jpg", 2)))
    X = ImageSamples([a, b, c, jpeg(1), np.zeros((2, 8), np.uint8), np.zeros((4, 4), np.uint8)])
    digests = [X.digest(i) for i in range(len(X))]
    assert digests[0] == digests[1] == digests[3]
    assert len(set(digests)) == 4


def test_a_domain_of_samples(photos):
    domain = read(photos)
    assert domain.n_samples == 5
    some = domain.take(np.array([True, False, False, True, False]))
    assert some.n_samples == 2
    assert some.y.tolist() == [domain.y[0], domain.y[3]]
    assert domain.hide().X is domain.X
    assert Domain(domain.X, known=np.ones(5, bool), y=domain.y).known_rows.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="one label a row"):
        Domain(domain.X, np.zeros(3))


# Folders


def test_class_folders(photos):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # strays are no reason to warn
        domain = read(photos)
    assert isinstance(domain.X, ImageSamples)
    assert domain.name == "photos"
    assert domain.y.tolist() == ["Käfer & Co", "ants", "ants", "ants", "bees"]
    assert domain.known is None
    assert domain.X.splits is None
    assert os.path.basename(domain.X.name(0)) == "ünïcode 蚂蚁.png"
    assert domain.X[4].size == (24, 16)
    with pytest.raises(DataError, match="domain_column must go with a table"):
        read(photos, domain_column="x")


def test_a_flat_folder_has_no_labels(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.jpg")
    domain = read(tmp_path)
    assert domain.y is None
    assert domain.n_samples == 3
    assert read(tmp_path / "*.jpg").n_samples == 3
    assert read(tmp_path / "1.jpg").n_samples == 1
    assert read([tmp_path / "1.jpg", tmp_path / "2.jpg"]).n_samples == 2
    with pytest.raises(DataError, match="images must lie in class folders"):
        read(tmp_path, require_label=True)
    with pytest.raises(DataError, match="the file must exist"):
        read(tmp_path / "9.jpg")


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("Training", "valid"), ("TRAIN", "validation")])
def test_split_folders(tmp_path, train, val):
    for name in (f"{train}/ants/1.jpg", f"{train}/bees/1.jpg", f"{val}/ants/1.jpg", "test/7.jpg", "test/8.jpg"):
        write(tmp_path / "d" / name)
    write(tmp_path / "d" / "notes" / "stray.png", jpeg())
    with pytest.warns(TransferWarning, match=r"skipped 1 of 6 images: .*stray\.png lies outside"):
        domain = read(tmp_path / "d")
    assert domain.X.splits.tolist() == ["train", "train", "val", "test", "test"]
    assert domain.y.tolist()[:3] == ["ants", "bees", "ants"]
    assert domain.known.tolist() == [True, True, True, False, False]
    with pytest.warns(TransferWarning, match="stray"):
        splits = read_splits(tmp_path / "d")
    assert list(splits) == ["train", "val", "test"]
    assert splits["val"].name == "d/val"
    assert splits["val"].known is None
    assert splits["test"].y is None
    with pytest.warns(TransferWarning, match="stray"):
        one = read(tmp_path / "d", split=val)
    assert (one.name, one.y.tolist(), one.X.splits.tolist()) == ("d/val", ["ants"], ["val"])
    assert read(tmp_path / "d" / train).y.tolist() == ["ants", "bees"]
    with pytest.raises(DataError, match=r"split must be one of train, val, test\. Got 'dev'"):
        read(tmp_path / "d", split="dev")


def test_splits_that_are_not_there(photos):
    with pytest.raises(DataError, match="split must go with folders called train, val or test"):
        read(photos, split="train")
    with pytest.raises(DataError, match="splits must be folders called train"):
        read_splits(photos)
    with pytest.raises(DataError, match=r"split must be one of the splits that there are \(none\)"):
        read(np.zeros((2, 2)), split="train")


def test_only_the_split_that_is_wanted_is_looked_at(tmp_path):
    write(tmp_path / "train" / "a" / "1.jpg")
    write(tmp_path / "val" / "a" / "1.jpg", b"broken")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(tmp_path, split="train").n_samples == 1


def test_a_class_of_one_image_and_files_beside_the_classes(tmp_path):
    for name in ("ants/1.jpg", "ants/2.jpg", "bees/1.jpg", "plot.png"):
        write(tmp_path / name)
    with pytest.warns(TransferWarning, match=r"skipped 1 of 4 images: .*plot\.png lies outside of the folders"):
        assert read(tmp_path).y.tolist() == ["ants", "ants", "bees"]
    with pytest.raises(DataError, match=r"plot\.png"):
        read(tmp_path, strict=True)


def test_what_folders_mean():
    def found(*names):
        return [Found(tuple(name.split("/")), name) for name in names]

    def labels(*names, always=False):
        return [(e.label, e.split) for e in arrange(unwrap(found(*names), always=always))[0]]

    assert labels("x/a/1", "x/b/2") == [("a", None), ("b", None)]  # one folder around all
    assert labels("x/1", "x/2") == [("x", None), ("x", None)]  # a folder of one class
    assert labels("x/1", "x/2", always=True) == [(None, None), (None, None)]  # a packed flat folder
    assert labels("train/1", "train/2", always=True) == [(None, "train"), (None, "train")]
    assert labels("val/a/1", "test/b/2") == [("a", "val"), ("b", "test")]
    assert labels("test/1", "ants/2") == [("test", None), ("ants", None)]  # without train, test is a class
    assert arrange([]) == ([], [])


def test_links_are_followed_and_never_for_ever(tmp_path):
    write(tmp_path / "real" / "1.jpg")
    (tmp_path / "d").mkdir()
    try:
        (tmp_path / "d" / "ants").symlink_to(tmp_path / "real", target_is_directory=True)
        (tmp_path / "real" / "again").symlink_to(tmp_path / "d", target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    assert read(tmp_path / "d").y.tolist() == ["ants"]


def test_broken_images_are_told_in_one_warning(photos):
    write(photos / "ants" / "0.jpg", half())
    write(photos / "bees" / "9.png", b"text")
    with pytest.warns(TransferWarning) as caught:
        domain = read(photos)
    assert len(caught) == 1
    assert re.search(
        r"photos: skipped 2 of 7 images: .*0\.jpg: .*; .*9\.png: .*no known image format", str(caught[0].message)
    )
    assert domain.n_samples == 5
    with pytest.raises(DataError, match=r"2 of 7 images cannot be used: .*0\.jpg"):
        read(photos, strict=True)
    with pytest.warns(TransferWarning, match=r"skipped 1 of 7 images: .*9\.png"):
        read(photos, check="header")
    with pytest.raises(DataError, match="check must be header or decode"):
        read(photos, check="none")


def test_many_broken_images_are_counted_and_none_left_is_an_error(tmp_path):
    for i in range(30):
        write(tmp_path / "a" / f"{i:02}.jpg", b"text")
    with pytest.raises(DataError, match=r"there must be images that can be read\. Got none\..*19\.jpg.*; and 10 more"):
        read(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"must hold a readable file .*images"):
        read(tmp_path / "nothing")


# Tables of paths


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_paths(tmp_path, suffix):
    root = tmp_path / "d"
    for i in range(4):
        write(root / "images" / f"{i}.jpg")
    write(root / "images" / "3.jpg", b"broken")
    frame = pl.DataFrame(
        {
            "id": [1, 2, 3, 4, 5],
            "file": ["images/0.jpg", "images\\1.jpg", str(root / "images" / "2.jpg"), "images/3.jpg", "images/4.jpg"],
            "kind": ["x", None, "y", "y", "x"],
            "camera": ["N1", "N1", "N2", "N1", "N2"],
            "split": ["train", "train", "val", "val", "val"],
        }
    )
    getattr(frame, {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}[suffix])(
        root / f"t.{suffix}"
    )
    told = r"skipped 2 of 5 images: .*3\.jpg: .*4\.jpg: the file must be readable\. Got: No such file"
    for source in (root / f"t.{suffix}", root):
        for options in ({}, {"path": "file"}):
            with pytest.warns(TransferWarning, match=told):
                domain = read(source, label="kind", **options)
            assert [domain.X.name(i).replace("\\", "/").rsplit("/", 1)[1] for i in range(3)] == [
                "0.jpg",
                "1.jpg",
                "2.jpg",
            ]
            assert domain.known.tolist() == [True, False, True]
            assert domain.X.splits.tolist() == ["train", "train", "val"]
            assert domain.X[2].size == (24, 16)
    with pytest.warns(TransferWarning, match=told):
        one = read(root, label="kind", domain_column="camera", domain="N1")
    assert one.n_samples == 2
    with pytest.warns(TransferWarning, match="skipped 2 of 3"):
        assert read(root, label="kind", split="val").y.tolist() == ["y"]
    with pytest.raises(DataError, match=r"path must name a column\. Got 'files'\. Did you mean 'file'"):
        read(root / f"t.{suffix}", path="files")


def test_a_table_of_paths_in_doubt(tmp_path):
    for name in ("1.jpg", "1_mask.png"):
        write(tmp_path / name, jpeg())
    frame = pl.DataFrame({"image": ["1.jpg"], "mask": ["1_mask.png"], "y": [1.5]})
    frame.write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match="path must name one of 'image', 'mask'"):
        read(tmp_path / "t.csv", label="y")
    assert read(tmp_path / "t.csv", path="mask", label="y").y.tolist() == [1.5]
    with pytest.raises(DataError, match="text and path must not be given together"):
        read(tmp_path / "t.csv", path="mask", text="image")
    # Names of files that are not there are words like any other.
    assert isinstance(read(pl.DataFrame({"image": ["no/such.jpg", "nor/this.jpg"]})).X, pl.DataFrame)


def test_tables_in_a_folder_stay_tables(tmp_path):
    pl.DataFrame({"a": [1, 2], "y": [0, 1]}).write_csv(tmp_path / "t.csv")
    write(tmp_path / "ants" / "1.jpg")
    assert isinstance(read(tmp_path).X, pl.DataFrame)
    assert read(tmp_path, kind="images").y.tolist() == ["ants"]


# Zip files


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_a_zip_reads_as_its_folder(photos, tmp_path, prefix):
    write(photos / "bees" / "broken.jpg", half())
    packed = pack(photos, tmp_path / "p.zip", prefix)
    with pytest.warns(TransferWarning, match=r"p\.zip: skipped 1 of 6 images: .*p\.zip!.*bees/broken\.jpg: "):
        domain = read(packed)
    with pytest.warns(TransferWarning, match="skipped 1 of 6"):
        folder = read(photos)
    assert domain.name == "p"
    assert domain.y.tolist() == folder.y.tolist()
    for i in range(5):
        assert domain.X.digest(i) == folder.X.digest(i)
        assert (np.asarray(domain.X[i]) == np.asarray(folder.X[i])).all()


def test_a_zip_with_splits_or_a_table(tmp_path):
    root = tmp_path / "d"
    for name in ("train/a/1.jpg", "val/b/2.jpg"):
        write(root / name)
    assert list(read_splits(pack(root, tmp_path / "s.zip", "d/"))) == ["train", "val"]
    pl.DataFrame({"file": ["./train/a/1.jpg", "val\\b\\2.jpg"], "y": [0, 1]}).write_csv(root / "t.csv")
    domain = read(pack(root, tmp_path / "t.zip", "d/"), label="y")
    assert domain.y.tolist() == [0, 1]
    assert domain.X[1].size == (24, 16)
    (root / "t.csv").write_text("a,a\n1,2\n")
    with pytest.raises(DataError, match=r"t\.zip!d/t\.csv: column names must differ") as caught:
        read(pack(root, tmp_path / "t.zip", "d/"), strict=True)
    assert str(tmp_path / "t.zip") in str(caught.value)


def test_broken_zip_files(tmp_path, photos):
    write(tmp_path / "text.zip", b"no zip")
    with pytest.raises(DataError, match=r"text\.zip: the file must be readable as a zip file"):
        read(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("a/b.txt.bak", "x")
    with pytest.raises(DataError, match="the zip file must hold a readable file"):
        read(tmp_path / "none.zip")
    packed = pack(photos, tmp_path / "p.zip")
    content = bytearray(packed.read_bytes())
    content[60:90] = bytes(30)  # inside of the first member
    write(tmp_path / "p.zip", bytes(content))
    with pytest.warns(TransferWarning, match=r"skipped 1 of 5 images: .*p\.zip!.*"):
        read(tmp_path / "p.zip")


def test_a_zip_that_changes_is_opened_anew(photos, tmp_path):
    packed = pack(photos, tmp_path / "p.zip")
    item = read(packed).X.items[0]
    before = read_bytes(item)
    (photos / "Käfer & Co" / "ünïcode 蚂蚁.png").write_bytes(jpeg(99, (40, 30)))
    pack(photos, packed)
    assert read_bytes(item) != before


def test_threads_read_one_zip(photos, tmp_path):
    X = read(pack(photos, tmp_path / "p.zip")).X
    expected = [X.digest(i) for i in range(len(X))]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: X.digest(i % len(X)), range(200)))
    assert found == [expected[i % len(X)] for i in range(200)]


def _digests(X, rows):
    return [X.digest(i) for i in rows]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_one_zip(photos, tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method}: not on this system")
    X = read(pack(photos, tmp_path / "p.zip")).X  # the zip file is open in this process now
    rows = list(range(len(X))) * 20
    expected = _digests(X, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's word on forks beside threads
        pool = multiprocessing.get_context(method).Pool(2)
    with pool:
        both = [pool.apply_async(_digests, (X, rows)) for _ in range(2)]
        assert _digests(X, rows) == expected
        assert [b.get(timeout=60) for b in both] == [expected, expected]


def test_names_in_a_zip_cannot_lead_out_of_it(tmp_path):
    write(tmp_path / "secret.jpg")
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "p.zip", "w") as archive:
        archive.writestr("t.csv", "file,y\n../secret.jpg,1\nin/1.jpg,2\n")
        archive.writestr("in/1.jpg", jpeg())
    with pytest.warns(TransferWarning, match=r"skipped 1 of 2 images: .*secret\.jpg: the file must be readable"):
        assert read(tmp_path / "d" / "p.zip", label="y").y.tolist() == [2]


# Arrays in files, and real data


def test_images_in_array_files(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=X, y=np.arange(5))
    assert read(tmp_path / "a.npz").X.shape == (5, 42)  # as ever
    domain = read(tmp_path / "a.npz", kind="images")
    assert domain.y.tolist() == [0, 1, 2, 3, 4]
    assert (np.asarray(domain.X[3])[..., 0] == X[3]).all()
    assert read((X, [1, 2, 3, 4, 5]), kind="images").X[0].size == (7, 6)
    assert read(X, kind="images").n_samples == 5
    assert read((ImageSamples.from_array(X), [1, 2, 3, 4, 5])).y.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(DataError, match=r"array: ImageSamples\.from_array: X must be a uint8 array.*Got float64"):
        read(X / 2, kind="images")
    with pytest.raises(DataError, match="kind must be images or series for a dense array"):
        read(X, kind="audio")


def test_hymenoptera_as_it_is_published(data_dir):
    folder = data_dir("hymenoptera")
    splits = read_splits(folder / "hymenoptera_256.zip", strict=True)
    counts = {name: np.unique(d.y, return_counts=True)[1].tolist() for name, d in splits.items()}
    assert counts == {"train": [123, 121], "val": [70, 83]}
    assert min(splits["val"].X[3].size) == 256


def test_listing_is_sorted_and_skips_what_is_hidden(photos):
    names = ["/".join(f.parts) for f in listing(photos)]
    assert names == sorted(names)
    assert not any("._" in name for name in names)
