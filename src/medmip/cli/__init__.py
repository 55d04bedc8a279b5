"""The command `mip`: a thin face, one module a noun."""
