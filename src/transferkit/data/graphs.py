"""Graphs: a table of nodes and one of edges, or a file of arrays with a network, become a Domain with edges."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import io, sparse

from ..core.errors import DataError
from ..core.protocols import Array, Domain
from .arrays import array_part, split_labels
from .columns import kind_of
from .join import join
from .matlab import mat_variables
from .rows import Ask, Part, find_name, no_such_name, opened, reading
from .sources import READERS, parts_of

__all__ = ["graph_facts", "holds_graph", "read_graph"]

_NETWORKS = ("network", "adjacency", "adj", "edge_index", "edges")
_IDS = ("id", "node", "node_id")
_ENDS = (("source", "target"), ("src", "dst"), ("from", "to"), ("u", "v"))
_TABLES = frozenset(READERS) - {".npy", ".npz", ".mat", ".h5", ".hdf5", ".svmlight", ".libsvm", ".svm", ".review"}
_SHOWN = 5  # ids listed in a message


def holds_graph(source: Any) -> bool:
    """Whether a path is a folder with tables called nodes and edges, or a .mat or .npz file with a network."""
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source).expanduser()
    if path.is_dir():
        return bool(_tables(path, "nodes")) and bool(_tables(path, "edges"))
    if path.suffix.lower() not in (".mat", ".npz") or not path.is_file():
        return False
    try:
        with reading(str(path), "arrays", io.matlab.MatReadError, zipfile.BadZipFile):
            return any(name.casefold() in _NETWORKS for name in _names(path))
    except DataError:
        return False  # whatever it is, the reader of arrays says what is wrong with it


def read_graph(
    source: str | Path,
    edges: str | Path | None = None,
    *,
    label: str | int | None = None,
    id_column: str | int | None = None,
    name: str | None = None,
    require_label: bool = False,
) -> Domain:
    """Read the nodes and edges of one graph.

    Parameters
    ----------
    source : path
        The table of nodes, with `edges`; a folder with two tables called ``nodes`` and ``edges`` (.csv, .parquet, ...); or
        a .mat or .npz file of arrays.
    edges : path, default=None
        The table of edges, where `source` is the one of nodes.
    label : str or int, default=None
        The column of the nodes' labels, or the variable of a file of arrays; None is no label for a table, and the
        variable with a usual name (group, labels, y, ...) for arrays.
    id_column : str or int, default=None
        The column of the nodes' ids; None is the one called id, node or node_id.
    name : str, default=None
        The domain's name; None takes the folder's or file's.
    require_label : bool, default=False
        Whether nodes without any label are an error.

    Returns
    -------
    graph : Domain
        X is a polars frame of the table's other columns, or the array; ``edges`` of shape (2, n_edges) holds row numbers, in
        the order and direction of the table, or is a CSR matrix of shape (n_nodes, n_nodes) where there are weights. An
        edge that is named twice is there twice, or has the sum of the weights. A table of 0 and 1 in a file of arrays
        is y as it is where a node has several classes or none, and else the number of its one class.

    Raises
    ------
    DataError
        Naming the file, column or ids that cannot be used.

    Notes
    -----
    The table of edges has columns source and target (or src and dst, from and to, u and v), or they are its first two; a
    third one called weight holds numbers. A header alone is a graph without edges. Ids are numbers, or text, in both
    tables. In a file of arrays the network (network, adjacency, adj, edge_index or edges) is square, or two rows of node
    numbers from 0 on; a sparse matrix may be stored as arrays ``adj_data``, ``adj_indices``, ``adj_indptr`` and ``adj_shape``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from transferkit.data.graphs import read_graph
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "nodes.csv").write_text("id,words,kind\\na,1,x\\nb,2,y\\nc,4,x\\n")
    >>> _ = (folder / "edges.csv").write_text("source,target\\na,c\\nc,b\\n")
    >>> graph = read_graph(folder, label="kind", name="papers")
    >>> graph.edges.tolist(), graph.y.tolist()
    ([[0, 2], [2, 1]], ['x', 'y', 'x'])
    """
    path = Path(source).expanduser()
    if edges is None and path.is_dir():
        tables = [_tables(path, kind) for kind in ("nodes", "edges")]
        if any(len(found) != 1 for found in tables):
            raise DataError(f"{path}: a graph's folder must hold one table called nodes and one called edges.")
        nodes, links = (found[0] for found in tables)
        return _of_tables(nodes, links, label, id_column, name or path.resolve().name, require_label)
    if edges is not None:
        return _of_tables(path, Path(edges).expanduser(), label, id_column, name or path.stem, require_label)
    if path.suffix.lower() not in (".mat", ".npz"):
        raise DataError(f"{path}: edges must name the table of edges, beside one of nodes. Got None.")
    return _of_arrays(_variables(path), str(path), label, name or path.stem, require_label)


def graph_facts(graph: Domain) -> dict[str, Any]:
    """What is to be known of a graph before it is used.

    Parameters
    ----------
    graph : Domain
        With edges.

    Returns
    -------
    facts : dict
        ``nodes``; ``edges`` between different nodes, each pair once in an undirected graph; ``directed``; ``loops``;
        ``isolated`` nodes; ``mean_degree`` and ``largest_degree``, over both directions; ``homophily``, the share of edges
        between nodes of one class (that share a class, where there are several a node), None without labels.

    Raises
    ------
    DataError
        If there are no edges, or they do not fit the nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain
    >>> from transferkit.data.graphs import graph_facts
    >>> facts = graph_facts(Domain(np.zeros((4, 1)), np.array([0, 0, 1, 1]), edges=np.array([[0, 1, 2], [1, 2, 2]])))
    >>> facts["edges"], facts["loops"], facts["isolated"], facts["homophily"]
    (2, 1, 1, 0.5)
    """
    if graph.edges is None:
        raise DataError(f"{graph.name}: must be a graph, with edges. Got edges=None.")
    A = _pattern(graph.edges, graph.n_samples, graph.name)
    loops = int(A.diagonal().sum())
    A.setdiag(0)
    A.eliminate_zeros()
    both = A.maximum(A.T).tocsr()
    directed = bool((A != A.T).nnz)
    degree = np.diff(both.indptr)
    upper = sparse.triu(both, 1).tocoo()
    return {
        "nodes": graph.n_samples,
        "edges": int(A.nnz if directed else upper.nnz),
        "directed": directed,
        "loops": loops,
        "isolated": int((degree == 0).sum()),
        "mean_degree": float(degree.mean()),
        "largest_degree": int(degree.max(initial=0)),
        "homophily": _homophily(graph, upper.row, upper.col),
    }


def _homophily(graph: Domain, a: Array, b: Array) -> float | None:
    both = graph.mask[a] & graph.mask[b]
    if graph.y is None or not both.any():
        return None
    y = np.asarray(graph.y)
    one, other = y[a[both]], y[b[both]]
    return float(((one * other).any(axis=1) if y.ndim == 2 else one == other).mean())


def _pattern(edges: Any, n: int, name: str) -> Any:
    """The adjacency as ones, int8, CSR."""
    if sparse.issparse(edges):
        pairs = edges.tocoo()
        rows, columns = pairs.row[pairs.data != 0], pairs.col[pairs.data != 0]
        fits = edges.shape == (n, n)
    else:
        rows, columns = np.asarray(edges)
        fits = not rows.size or (min(rows.min(), columns.min()) >= 0 and max(rows.max(), columns.max()) < n)
    if not fits:
        raise DataError(f"{name}: edges must be between the {n} nodes. Got shape {edges.shape}.")
    A = sparse.csr_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(n, n))
    A.data[:] = 1  # duplicates were added up
    return A


def _tables(folder: Path, stem: str) -> list[Path]:
    return sorted(
        p
        for p in folder.iterdir()
        if p.is_file()
        and Path(p.name.lower().removesuffix(".gz")).stem == stem
        and Path(p.name.lower().removesuffix(".gz")).suffix in _TABLES
    )


def _of_tables(
    nodes: Path, edges: Path, label: str | int | None, id_column: str | int | None, name: str, require_label: bool
) -> Domain:
    part = join(list(parts_of(nodes, Ask(label, require_label=require_label), None)), label)
    ids, X = _ids(part.X, part.origin, id_column)
    table = join(list(parts_of(edges, Ask(empty=True), None))).X
    ends = _ends(table.columns, str(edges))
    index = pl.DataFrame({"key": ids, "row": np.arange(len(ids))})
    rows = [_rows_of(table[end], index, nodes, edges) for end in ends]
    weight = next((c for c in table.columns if c.casefold() == "weight" and c not in ends), None)
    if weight is None:
        return Domain(X, part.y, part.known, np.stack(rows), name)
    gaps = table[weight].null_count()
    if gaps or (table.height and not table[weight].dtype.is_numeric()):
        got = f"{gaps} empty ones" if gaps else kind_of(table[weight].dtype)
        raise DataError(f"{edges}: column {weight!r} must hold a number in every row. Got {got}.")
    values = table[weight].cast(pl.Float64).to_numpy()
    A = sparse.csr_matrix((values, (rows[0], rows[1])), shape=(len(ids), len(ids)))
    return Domain(X, part.y, part.known, A, name)


def _ids(X: Any, origin: str, wanted: str | int | None) -> tuple[pl.Series, pl.DataFrame]:
    """The nodes' ids as text, and the features."""
    if not isinstance(X, pl.DataFrame):
        raise DataError(f"{origin}: the nodes must be a table with a column of ids.")
    if wanted is None:
        column = next((c for c in X.columns if c.casefold() in _IDS), None)
        if column is None:
            raise no_such_name(origin, "id_column", _IDS[0], X.columns)
    else:
        found = find_name(X.columns, wanted, origin, "id_column", required=True)
        assert found is not None
        column = found
    ids = _text(X[column])
    if ids.null_count():
        raise DataError(f"{origin}: column {column!r} must hold an id in every row. Got {ids.null_count()} empty ones.")
    if ids.n_unique() < len(ids):
        twice = ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list()
        raise DataError(f"{origin}: ids must differ. Got more than once: {_listed(twice)}.")
    if X.width < 2:
        raise DataError(f"{origin}: the nodes must have a feature beside id and label. Got none.")
    return ids, X.drop(column)


def _text(column: pl.Series) -> pl.Series:
    """Ids as text; whole numbers that came as floats are written as such."""
    if column.dtype.is_float() and (column.drop_nulls() == column.drop_nulls().round()).all():
        column = column.cast(pl.Int64)
    return column.cast(pl.String).str.strip_chars()


def _ends(names: list[str], origin: str) -> tuple[str, str]:
    lower = {n.casefold(): n for n in names}
    for one, other in _ENDS:
        if one in lower and other in lower:
            return lower[one], lower[other]
    if len(names) < 2:
        raise DataError(f"{origin}: the table of edges must have columns source and target. Got {', '.join(names)}.")
    return names[0], names[1]


def _rows_of(column: pl.Series, index: pl.DataFrame, nodes: Path, edges: Path) -> Array:
    found = pl.DataFrame({"key": _text(column)}).join(index, on="key", how="left", maintain_order="left")
    missing = found.filter(pl.col("row").is_null())["key"].unique(maintain_order=True).to_list()
    if missing:
        raise DataError(
            f"{edges}: column {column.name!r} must hold ids of {nodes.name} only."
            f" Got {len(missing)} that are not there: {_listed(missing)}."
        )
    return found["row"].to_numpy().astype(np.int64)


def _listed(ids: list[Any]) -> str:
    return ", ".join(map(repr, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")


def _names(path: Path) -> list[str]:
    """Names of a file's variables, without reading them where that can be."""
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as file:
            names = [n.removesuffix(".npy") for n in file.namelist()]
        return [*names, *(n.removesuffix("_indptr") for n in names if n.endswith("_indptr"))]
    try:
        return [name for name, _, _ in io.whosmat(str(path))]
    except NotImplementedError:  # version 7.3
        return list(mat_variables(path))


def _variables(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".mat":
        return mat_variables(path)
    with reading(str(path), "numpy arrays", zipfile.BadZipFile), opened(path) as file:
        with np.load(file, allow_pickle=False) as saved:
            found: dict[str, Any] = {name: saved[name] for name in saved.files}
        for stem in [n.removesuffix("_indptr") for n in found if n.endswith("_indptr")]:
            parts = [found.pop(f"{stem}_{end}") for end in ("data", "indices", "indptr", "shape")]
            found[stem] = sparse.csr_matrix(tuple(parts[:3]), shape=tuple(parts[3]))
    return found


def _of_arrays(
    variables: Mapping[str, Any], origin: str, label: str | int | None, name: str, require_label: bool
) -> Domain:
    network = next((v for v in variables if v.casefold() in _NETWORKS), None)
    if network is None:
        raise DataError(
            f"{origin}: the file must hold a network ({', '.join(_NETWORKS)}). Got {', '.join(variables) or 'nothing'}."
        )
    rest = {key: value for key, value in variables.items() if key != network}
    tables = [key for key, value in rest.items() if (key == label or key.casefold() in ("group", "labels", "y")) and
              np.ndim(value) == 2 and min(value.shape) > 1]  # fmt: skip
    if tables and (label is None or label in tables):
        classes = np.asarray(rest.pop(tables[0]).todense() if sparse.issparse(rest[tables[0]]) else rest.pop(tables[0]))
        part = array_part(rest, origin, Ask())
        y, known = _classes(classes, part, origin, tables[0])
    else:
        part = array_part(rest, origin, Ask(label, require_label=require_label))
        y, known = part.y, part.known
    return Domain(part.X, y, known, _network(variables[network], part.n_rows, origin, network), name)


def _classes(table: Array, part: Part, origin: str, name: str) -> tuple[Array | None, Array | None]:
    if table.shape[0] != part.n_rows or not np.isin(table, (0, 1)).all():
        raise DataError(
            f"{origin}: {name!r} must be a table of 0 and 1 for {part.n_rows} nodes. Got shape {table.shape}."
        )
    if (table.sum(axis=1) == 1).all():
        return split_labels(table.argmax(axis=1), origin)
    return table.astype(np.int64), None


def _network(value: Any, n: int, origin: str, name: str) -> Any:
    if sparse.issparse(value) or (np.ndim(value) == 2 and value.shape == (n, n) and n > 2):
        if value.shape != (n, n):
            raise DataError(f"{origin}: {name!r} must have shape ({n}, {n}) as there are nodes. Got {value.shape}.")
        A = sparse.csr_matrix(value, dtype=np.float64)
        A.eliminate_zeros()
        return A
    if np.ndim(value) != 2 or 2 not in value.shape or np.asarray(value).dtype.kind not in "iuf":
        raise DataError(f"{origin}: {name!r} must be square, or two rows of node numbers. Got shape {np.shape(value)}.")
    pairs = np.asarray(value if value.shape[0] == 2 else value.T)
    if (pairs != np.round(pairs)).any() or pairs.min(initial=0) < 0 or pairs.max(initial=0) >= n:
        raise DataError(f"{origin}: {name!r} must hold node numbers from 0 to {n - 1}.")
    return pairs.astype(np.int64)
