"""Write the table of methods, read from the cards, into README.md and README.zh-CN.md."""

import json
from pathlib import Path

from transferkit import catalogue

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- methods: made by docs/make_readme.py -->", "<!-- end of methods -->"
HEADINGS = {
    "README.md": ("method", "what it does", "settings", "tasks", "paper"),
    "README.zh-CN.md": ("方法", "作用", "场景", "任务", "论文"),
}
CHINESE = json.loads((ROOT / "docs/methods.zh-CN.json").read_text(encoding="utf-8"))


def table(readme: str) -> str:
    """The Markdown table for one readme, grouped by paradigm."""
    chinese = readme.endswith("zh-CN.md")
    lines = ["| " + " | ".join(HEADINGS[readme]) + " |", "|---|---|---|---|---|"]
    for paradigm in dict.fromkeys(c.paradigm for c in catalogue.cards().values()):
        name = CHINESE["paradigms"].get(paradigm, paradigm) if chinese else paradigm.replace("_", " ")
        lines.append(f"| **{name}** | | | | |")
        for card in catalogue.find(paradigm=paradigm):
            says = card.summary.partition(": ")[2] or card.summary
            if chinese:
                says = CHINESE["methods"].get(card.name, says)
            terms = [", ".join(t.replace("_", " ") for t in group) for group in (card.settings, card.task_names)]
            if chinese:
                terms = [
                    ", ".join(CHINESE["terms"].get(t, t) for t in group) for group in (card.settings, card.task_names)
                ]
            paper = f"[{card.paper.split('. ')[0]}]({card.url})" if card.url else card.paper.split(". ")[0]
            lines.append(f"| `{card.name}` | {says.rstrip('.')} | {terms[0]} | {terms[1]} | {paper} |")
    return "\n".join(lines)


def filled(readme: str) -> str:
    """The readme's text with its table made anew."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table(readme)}\n{END}{after}"


if __name__ == "__main__":
    for name in HEADINGS:
        (ROOT / name).write_text(filled(name), encoding="utf-8")
