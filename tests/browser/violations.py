"""What axe finds serious on a page: of what stands around the content once, for each way in which that looks.

Navigation, header and footer are the same on most pages; what differs is in `main`. Where the rest of a page, word
for word, was looked at before at this width, axe leaves it out, and goes by it all the same: by its ids, by its
landmarks, by what it says of the page as a whole.
"""

from playwright.sync_api import Page

from tests.browser.colours import CONTRAST

# What axe asks by itself and takes seriously; of a rule that says how bad it is, every violation is as bad as that.
GRAVE = f"""() => axe._audit.rules.filter(rule => rule.enabled && ['serious', 'critical'].includes(rule.impact) &&
    !rule.tags.some(tag => axe._audit.tagExclude.includes(tag)) && rule.id !== '{CONTRAST}').map(rule => rule.id)"""
# The page without its content, its title and what is another one each time: as one number.
FRAME = """() => {
    if (!document.querySelector('main')) return null;
    const copy = document.documentElement.cloneNode(true);
    copy.querySelector('main').replaceChildren();
    copy.querySelectorAll('title, input[type=hidden]').forEach(part => part.remove());
    const text = copy.outerHTML;
    let high = 7, low = 11;
    for (let at = 0; at < text.length; at++) {
        high = Math.imul(high, 31) + text.charCodeAt(at) | 0;
        low = Math.imul(low, 131) + text.charCodeAt(at) | 0;
    }
    return [high, low, text.length].join(' ');
}"""
VIOLATED = f"""([rules, known]) => {{
    const main = document.querySelector('main');
    const frame = ({FRAME})();
    const exclude = [];
    if (frame && known.includes(frame))
        for (let part = main; part !== document.body; part = part.parentElement)
            exclude.push(...[...part.parentElement.children].filter(other => other !== part));
    return axe.run({{include: [document.documentElement], exclude}}, {{
        resultTypes: ['violations'], preload: false, runOnly: rules
    }}).then(found => [
        frame, found.violations.map(v => `${{v.id}} (${{v.nodes.length}}): ${{v.nodes[0].html.slice(0, 200)}}`)
    ]);
}}"""


class Violations:
    """What one walk through the pages has looked at so far."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.grave: list[str] = []  # rules
        self.frames: dict[str, list[str]] = {}  # by what was asked, and how wide the page was

    def found(self, rules: list[str] | None = None, *, whole: bool = False) -> list[str]:
        """What is wrong with the page that is open, by these rules (those that count). `whole`: nothing is left out."""
        self.grave = self.grave or self.page.evaluate(GRAVE)
        chosen = rules or self.grave
        known = self.frames.setdefault(f"{self.page.viewport_size} {chosen}", [])
        frame, wrong = self.page.evaluate(VIOLATED, [chosen, [] if whole else known])
        if frame and frame not in known:
            known.append(frame)
        return list(wrong)
