"""Names of columns in the tables of an analysis."""

from rnnexp.commands.analysis_files import output_columns


def test_columns_are_identifiers_each_another():
    labels = ["f1 > f2", "f1 < f2", "f1>f2", "x(t-10)", "90 deg", "x", ""]
    columns = output_columns(labels)
    assert columns[:6] == ["y_f1_gt_f2", "y_f1_lt_f2", "y_f1_gt_f2_", "y_x_t_minus_10", "y_90_deg", "y_x"]
    assert all(column.isidentifier() for column in columns)
    assert len(set(columns)) == len(labels)
