"""What an eye, a keyboard and a screen reader find on a page."""

from typing import Any

# Contrast of every visible text with what is behind it, colours blended; the names of those below `least`.
_FAINT = """
(least) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.canvas.width = canvas.canvas.height = 1;
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    const canvasColour = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    return layers.reverse().reduce((under, layer) => over(layer, under), canvasColour);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, noscript, :disabled, option, .unseen, [aria-hidden=true]")) continue;
    const ground = behind(element);
    const [high, low] = [light(over(rgba(getComputedStyle(element).color), ground)), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < least) faint.push(`${texts.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""
_CONTROLS = {"button", "textbox", "combobox", "link", "checkbox", "radio", "progressbar", "group", "toolbar", "list"}


def faint_texts(page: Any, least: float = 4.5) -> list[str]:
    """Visible texts whose contrast is below `least`, with the contrast."""
    found: list[str] = page.evaluate(_FAINT, least)
    return found


def nameless_controls(page: Any) -> list[str]:
    """Controls without a name in the browser's own accessibility tree, as their roles."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    controls = [node for node in nodes if not node.get("ignored") and node.get("role", {}).get("value") in _CONTROLS]
    assert controls
    # A list or a group need no name; what is pressed or filled in does.
    needed = [node for node in controls if node["role"]["value"] not in ("list", "group")]
    return [node["role"]["value"] for node in needed if not node.get("name", {}).get("value")]


def focused(page: Any) -> str:
    """The focused element: its id, or its class, and whether one sees that it is focused."""
    found: str = page.evaluate(
        """() => {
          const element = document.activeElement;
          const style = getComputedStyle(element);
          const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
          return `${element.id || element.className || element.tagName}${seen ? "" : " (unseen)"}`;
        }"""
    )
    return found


def is_scrolled_sideways(page: Any) -> bool:
    """Whether the page is wider than the window."""
    wider: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wider
