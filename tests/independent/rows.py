"""Reads files with pyarrow and says which rows they hold.

For each line of standard input, `{"format": ..., "path": ..., "types": {...}}`,
a line is printed: `{"rows": ..., "sha256": ..., "files": {name: rows}}`, or
`{"error": ...}`. The checksum is one over the sorted rows, each as text, so that
it is the same for the same rows in any order, format and number of files.

A path is a file or a folder of files. `types` names the types of columns that a
text format cannot tell; others are what pyarrow makes of them. Nothing here
knows how Vesicle reads or writes.
"""

import hashlib
import json
import os
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

TYPES = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}
NULLS = ["", "NA", "N/A", "NULL", "null", "\\N"]


def read_csv(path, types):
    return pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            null_values=NULLS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def read_json(path, types):
    # It reads no type from text with an offset; that is done afterwards.
    plain = {name: pa.string() if is_temporal(kind) else kind for name, kind in types.items()}
    table = pa.json.read_json(
        path,
        parse_options=pa.json.ParseOptions(
            explicit_schema=pa.schema(plain.items()), newlines_in_values=False
        ),
    )
    for name, kind in types.items():
        if is_temporal(kind):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(kind))
    return table


def is_temporal(kind):
    return pa.types.is_temporal(kind)


def read_parquet(path, _types):
    return pa.parquet.read_table(path, partitioning=None)


READERS = {"csv": read_csv, "jsonl": read_json, "parquet": read_parquet}


def as_text(column):
    """The values of a column as text that says what they are, NULL as \\N."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        # One unit for all, and instants in UTC.
        column = column.cast(pa.timestamp("us", kind.tz and "UTC")).cast(pa.int64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.int32())
    text = column.cast(pa.string())
    if pa.types.is_string(kind):
        for special, spelled in (("\\", "\\\\"), ("\x1f", "\\u"), ("\x1e", "\\r")):
            text = pc.replace_substring(text, special, spelled)
    return text.fill_null("\\N")


def rows_of(table):
    """Each row as one text, its columns in the order of their names."""
    names = sorted(table.schema.names)
    columns = [as_text(table[name]) for name in names]
    return pc.binary_join_element_wise(*columns, "\x1f")


def describe(request):
    types = {name: TYPES[kind] for name, kind in request.get("types", {}).items()}
    path = request["path"]
    paths = [path]
    if os.path.isdir(path):
        paths = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    texts, files, names = [], {}, None
    for path in paths:
        table = READERS[request["format"]](path, types)
        if names not in (None, sorted(table.schema.names)):
            raise ValueError(f"{path}: other columns: {table.schema.names}")
        names = sorted(table.schema.names)
        files[os.path.basename(path)] = table.num_rows
        texts.extend(rows_of(table).chunks)
    rows = pa.concat_arrays([pa.array([], pa.string()), *texts])
    rows = rows.take(pc.array_sort_indices(rows))
    whole = pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), "\x1e")[0]
    digest = hashlib.sha256("\x1f".join(names or []).encode() + b"\x1e")
    digest.update(whole.as_buffer())
    return {"rows": len(rows), "sha256": digest.hexdigest(), "files": files}


def main():
    for line in sys.stdin:
        try:
            answer = describe(json.loads(line))
        except Exception as error:  # Whatever it is, the test says it.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
