"""Values of several data sets as independent repetitions."""

import polars as pl

from sterling.study import Results


def pooled(results: Results, coordinate: str) -> Results:
    """Count each repetition at each value of a coordinate as a repetition, and drop the coordinate.

    Claims over several data sets, whose repetitions share nothing, then read their values as those
    of one data set.
    """
    if coordinate not in results.frame.columns:  # nothing was measured yet
        return results
    number = pl.struct(coordinate, "repetition").rank("dense").cast(pl.Int64)
    return Results(results.frame.with_columns(repetition=number).drop(coordinate))
