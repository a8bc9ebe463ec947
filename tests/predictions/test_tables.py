"""What is read, with which type, and what is refused by column and row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictions.tables import Kind, Table, TableError, UnknownColumn, read


def table(path: Path, text: str, features: str = "x") -> Table:
    """A CSV with columns y (label) and g (group), read."""
    file = path / "people.csv"
    file.write_text(text, encoding="utf-8")
    return read(file, label="y", group="g", features=features.split(","))


@pytest.mark.parametrize("yes, no", [("1", "0"), ("true", "false"), ("Yes", "No"), ("1.0", "0.0"), ("TRUE", "FALSE")])
def test_a_label_is_zero_and_one_in_any_usual_writing(tmp_path: Path, yes: str, no: str) -> None:
    assert table(tmp_path, f"y,g,x\n{yes},a,1\n{no},b,2\n{yes},c,3\n").labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("label, said", [("2", "'2', not 0 or 1"), ("maybe", "'maybe', not 0 or 1"), ("", "missing")])
def test_any_other_label_is_refused_with_its_row(tmp_path: Path, label: str, said: str) -> None:
    with pytest.raises(TableError, match=said) as refused:
        table(tmp_path, f"y,g,x\n1,a,1\n0,b,2\n{label},c,3\n")
    assert (refused.value.file, refused.value.field, refused.value.row) == ("people.csv", "y", 3)


def test_a_row_without_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"people\.csv, row 2, g: has no group"):
        table(tmp_path, "y,g,x\n1,a,1\n0,,2\n")


def test_a_column_that_is_not_there_is_named_with_the_nearest_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumn, match="no column 'incone'; did you mean income"):
        table(tmp_path, "y,g,income\n1,a,1\n", features="incone")


def test_infinity_is_refused_with_its_row(tmp_path: Path) -> None:
    for value in ("inf", "-1e39"):
        with pytest.raises(TableError, match="row 2, x: is infinite or beyond"):
            table(tmp_path, f"y,g,x\n1,a,1.5\n0,b,{value}\n")


def test_a_stray_word_among_numbers_is_refused_with_its_row(tmp_path: Path) -> None:
    rows = "".join(f"{i % 2},g{i},{i / 3}\n" for i in range(60))
    with pytest.raises(TableError, match="row 61, x: 'refused' in a column of numbers"):
        table(tmp_path, f"y,g,x\n{rows}1,last,refused\n")


def test_words_that_only_look_like_numbers_stay_words(tmp_path: Path) -> None:
    rows = "".join(f"{i % 2},g{i},{i}-{i + 4}\n" for i in range(60))
    assert table(tmp_path, f"y,g,x\n{rows}").columns["x"].kind is Kind.CATEGORY


def test_a_date_is_refused_as_a_feature(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="x: a date cannot be learnt from"):
        table(tmp_path, "y,g,x\n1,a,2024-01-05\n0,b,2024-02-05\n")


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "names no columns"),
        ("y,g,x\n", "no row"),
        ("y,g,x\n1,a,1\n0,b\n", "row 2: 2 columns, the header has 3"),
        ("y,g,x\n1,a,1\n0,b,2,9\n", "row 2: 4 columns, the header has 3"),
        ("y,g,x\n" + "1,a,1\n" * 3000 + "0,b\n", "row 3001: 2 columns"),
        ('y,g,x\n1,a,1\n0,"b,2\n', "row 2: is no valid CSV"),
    ],
)
def test_a_broken_or_empty_file_is_refused_by_name_and_row(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TableError, match=said) as refused:
        table(tmp_path, text)
    assert refused.value.file == "people.csv"


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes("y,g,x\n1,é,1\n".encode("latin-1"))
    with pytest.raises(TableError, match="not UTF-8"):
        read(tmp_path / "people.csv", label="y", group="g", features=["x"])


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableError, match="cannot be read"):
        read(tmp_path / "people.parquet", label="y", group="g", features=["x"])


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_other_signs_between_columns_are_found_from_the_header(tmp_path: Path, sign: str) -> None:
    assert table(tmp_path, "y,g,x\n1,a,1.5\n0,b,2\n".replace(",", sign)).columns["x"].values.tolist() == [1.5, 2.0]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        read(tmp_path / "absent.csv", label="y", group="g", features=["x"])


def test_a_group_stays_as_it_is_written(tmp_path: Path) -> None:
    assert table(tmp_path, "y,g,x\n1,01,1\n0,1,2\n").group_names == ("01", "1")


def test_kinds_follow_type_and_number_of_values(tmp_path: Path) -> None:
    rows = "".join(
        f"{i % 2},g{i},{i / 7},{i % 5 + 1},{i % 2},{'ab'[i % 2]},{i},{'yes' if i % 3 else 'no'}\n" for i in range(40)
    )
    held = table(tmp_path, "y,g,share,code,flag,word,count,said\n" + rows, "share,code,flag,word,count,said").columns
    assert {name: column.kind for name, column in held.items()} == {
        "share": Kind.NUMBER,
        "code": Kind.CODED,
        "flag": Kind.YES_NO,
        "word": Kind.CATEGORY,
        "count": Kind.NUMBER,
        "said": Kind.YES_NO,
    }


def test_the_usual_writings_of_missing_are_missing(tmp_path: Path) -> None:
    held = table(tmp_path, "y,g,x,w\n1,a,1.5,p\n0,b,NA,NA\n1,c,.,\n0,d,,N/A\n1,e,NaN,q\n", "x,w").columns
    assert held["x"].missing().tolist() == [False, True, True, True, True]
    assert held["w"].missing().tolist() == [False, True, True, True, False]
    assert held["w"].words == ("p", "q")


def test_late_rows_decide_the_type_too(tmp_path: Path) -> None:
    rows = "".join(f"{i % 2},g{i},{i % 3}\n" for i in range(30_000))
    assert table(tmp_path, "y,g,x\n" + rows + "1,last,unknown\n").columns["x"].words == ("0", "1", "2", "unknown")


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "y": [True, False, True],
            "g": [1.0, 2.0, 2.0],
            "x": [1.5, None, 2.5],
            "w": pd.Categorical(["b", None, "a"]),
            "n": pd.array([7, None, 9], dtype="Int64"),
        }
    )
    frame.to_parquet(tmp_path / "people.parquet")
    held = read(tmp_path / "people.parquet", label="y", group="g", features=["x", "w", "n"])
    assert held.labels.tolist() == [1, 0, 1]
    assert held.group_names == ("1", "2")
    assert held.columns["w"].values.tolist() == [1, -1, 0]
    assert np.isnan(held.columns["n"].values).tolist() == [False, True, False]


def test_time_orders_dates_texts_and_numbers_alike(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("y,g,x,day,wave\n1,a,1,2024-03-01,3\n0,b,2,2023-01-01,1\n1,c,3,2023-12-31,2\n", encoding="utf-8")
    for column in ("day", "wave"):
        held = read(file, label="y", group="g", features=["x"], time=column)
        assert held.times is not None
        assert np.argsort(held.times).tolist() == [1, 2, 0]
