"""What analyses cost: a million vectors beside the bare scikit-learn calls, the same by Dask blocks, and all analyses of a recording."""
