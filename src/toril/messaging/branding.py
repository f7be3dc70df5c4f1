"""What templates show of the brand is the same in each mail: it is written into them once, when they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from toril.messaging.brand import Brand

__all__ = ["branded"]


def branded(tree: nodes.Template, brand: Brand) -> nodes.Template:
    """Return a parsed template with values in the place of `brand.color` and the like, or as it is if it sets `brand`.

    Jinja makes one text of a value and what is around it, so a mail costs half as much to render.
    """
    if any(name.ctx != "load" for name in tree.find_all(nodes.Name) if name.name == "brand"):
        return tree
    settled: nodes.Template = _Branding(asdict(brand)).visit(tree)
    return settled


class _Branding(NodeTransformer):
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802  (Jinja's)
        """Return the value of a field of the brand; what it does not have fails when it is rendered."""
        match node:
            case nodes.Getattr(node=nodes.Name(name="brand"), attr=name) if name in self._values:
                return nodes.Const(self._values[name], lineno=node.lineno)
        return self.generic_visit(node)
