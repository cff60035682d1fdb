"""How the page looks, on light and on dark screens, narrow and wide ones."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """\
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1c2128; --soft: #57606a; --line: #d0d7de; --shade: #f4f6f8;
  --c0: #1f6fb2; --c1: #c2570c; --c2: #2b7a3d; --c3: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181d; --ink: #e3e8ee; --soft: #a3adb8; --line: #3a424c;
    --shade: #1d232a; --c0: #6cb2f0; --c1: #f2a360; --c2: #7cc98c; --c3: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 68rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 {
  font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--line);
}
h1, h2, dt, dd, p, figcaption { overflow-wrap: anywhere; }
p { max-width: 44rem; margin: .5rem 0; }
.note { color: var(--soft); font-size: .9rem; }
.warning { border-left: 4px solid var(--c1); padding: .25rem .75rem; }
.row { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
.row > div { flex: 1 1 18rem; max-width: 31rem; min-width: 0; }
figure { flex: 1 1 18rem; max-width: 31rem; min-width: 0; margin: .75rem 0; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .25rem; }
svg { display: block; width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.wide { overflow-x: auto; max-width: 100%; }
table {
  border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
}
caption { text-align: left; color: var(--soft); padding: .25rem 0; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
th { text-align: left; }
th:first-child { min-width: 7rem; max-width: 20rem; overflow-wrap: break-word; }
td, thead th + th { text-align: right; }
td { white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
dl {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
  gap: .5rem 2rem; margin: .75rem 0;
}
dl div { border-bottom: 1px solid var(--line); padding: .25rem 0; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--c0); padding: .25rem 0; }
"""
