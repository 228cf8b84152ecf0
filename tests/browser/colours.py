"""Whether every text can be read against what is behind it, judged by axe: each combination once.

Contrast goes by the colours of a text, by whether it is large, and by what the elements around it paint: those that
paint nothing do not count. Pages share nearly all of their styles, so what looks alike is not asked again for each
page, width and theme. (Where something else lies over a text by its place on the page alone, axe does not decide,
wherever it is asked.)
"""

from collections import Counter

from playwright.sync_api import Page

CONTRAST = "color-contrast"
TRIES = 5  # how often axe is asked about what it cannot decide
# Every element that shows a text of its own, by all that its contrast goes by.
TEXTS = """() => {
    const known = new Map();
    const around = element => {
        if (!element) return '';
        if (!known.has(element)) {
            const style = getComputedStyle(element);
            const paints = [
                style.backgroundColor, style.backgroundImage, style.opacity, style.filter, style.mixBlendMode,
                style.position, ...['::before', '::after'].map(part => getComputedStyle(element, part).content),
                element.matches(':disabled, [aria-disabled=true]'),
            ].join(' ');
            const outside = around(element.parentElement);
            known.set(element, paints === NOTHING ? outside : `${outside}>${named(element)} ${paints}`);
        }
        return known.get(element);
    };
    const named = element => `${element.localName} ${element.className.baseVal ?? element.className}`;
    const NOTHING = 'rgba(0, 0, 0, 0) none 1 none normal static none none false';
    window.texts = new Map();
    for (const element of document.body.querySelectorAll('*')) {
        const box = element.getBoundingClientRect();
        if (box.width < 2 || box.height < 2 || box.right <= 0 || box.bottom + scrollY <= 0) continue;
        const own = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!(own || element.matches('input, select, textarea')) || !element.checkVisibility()) continue;
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);  // of these less is asked
        const key = [around(element), element.localName, style.color, large, style.textShadow].join(' ');
        if (!texts.has(key)) texts.set(key, element);
    }
    return [...texts.keys()];
}"""
# What axe says of the first element of each; `decided`: of which of them it does say something.
JUDGE = """([rule, keys]) => axe.run({include: keys.map(key => texts.get(key))}, {
    resultTypes: ['violations', 'passes'], elementRef: true, preload: false, runOnly: [rule]
}).then(found => {
    const nodes = results => results.flatMap(result => result.nodes);
    const decided = new Set(nodes([...found.violations, ...found.passes]).map(node => node.element));
    return {
        decided: keys.filter(key => decided.has(texts.get(key))),
        wrong: nodes(found.violations).map(node => `${rule}: ${node.html.slice(0, 200)}`),
    };
})"""


class Colours:
    """What one walk through the pages has judged so far."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.judged: set[str] = set()
        self.tried: Counter[str] = Counter()

    def unreadable(self) -> list[str]:
        """Texts of the page that is open, as it is shown now, that cannot be read.

        What was judged before is left out. Of what axe cannot decide here (something lies over it, its field is off)
        it is asked again on the next pages that have something new, some times.
        """
        fresh = [key for key in self.page.evaluate(TEXTS) if key not in self.judged and self.tried[key] < TRIES]
        if not any(self.tried[key] == 0 for key in fresh):
            return []
        found = self.page.evaluate(JUDGE, [CONTRAST, fresh])
        self.judged.update(found["decided"])
        self.tried.update(fresh)
        return list(found["wrong"])
