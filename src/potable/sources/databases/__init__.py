"""One file per kind of database, behind the seam in `base.py`; entry: `connect.connected`."""
