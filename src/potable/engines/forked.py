"""What the process that workers are forked from imports before all else."""

from potable.lazy_pandas import make_pandas_lazy

make_pandas_lazy()
