"""Reports: one self-contained HTML page per run, made from its record alone. Entry: `html.render`."""
