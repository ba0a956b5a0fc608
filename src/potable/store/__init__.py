"""Where bytes lie: object stores, the layout of the lake, manifests and the commit log."""
