"""What the process that workers are forked from imports before all else.

It should have no threads, which a fork would lose: numpy's BLAS starts some unless it is told not to. jemalloc, which
comes with pyarrow, has one of its own and takes care of it in a fork.
"""

import os

from potable.lazy_pandas import make_pandas_lazy

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
make_pandas_lazy()
