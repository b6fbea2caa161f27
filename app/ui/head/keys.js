// What the keyboard does on the whole page; `header.py` lists it. A field that is being written in keeps its letters.
(() => {
  const shown = element => element && element.offsetParent !== null;
  const bar = () => document.getElementById('evaluation');
  const sideIsOpen = () => !!bar()?.classList.contains('open');
  const press = button => { if (shown(button) && !button.disabled) { button.click(); return true; } return false; };
  const writes = target => !!target.closest?.('input:not([type=checkbox],[type=radio],[type=range]), textarea, select, [contenteditable]');
  const list = () => document.getElementById('keys');
  const toggleSide = open => {
    if (sideIsOpen() === open) return;
    const handle = bar()?.querySelector('.toggle-button');
    handle?.click();
    const opener = document.querySelector('[data-open-evaluation]');
    // Where it opens, the keyboard goes in with it; where it closes, it comes back.
    setTimeout(() => (open ? handle : opener)?.focus({preventScroll: true}), 0);
  };
  window.cxEvaluation = toggleSide;
  const closeOne = () => {
    if (document.querySelector('dialog[open], .cx-report')) return true;  // these close themselves
    if (sideIsOpen()) { toggleSide(false); return true; }
    return false;
  };
  const stop = () => [...document.querySelectorAll('#text-stop, #image-stop, #attack-stop')].some(press);
  const start = () => {
    const side = sideIsOpen() && document.getElementById('evaluate-start');
    if (side) return press(side);
    return [...document.querySelectorAll('#text-create, #class-create, #attack-create')].some(press);
  };
  document.addEventListener('keydown', event => {
    if (event.isComposing || document.querySelector('dialog[open]')) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      event.stopPropagation();  // a field of one line takes Enter for the same, and would start twice
      if (!event.repeat) start();
    } else if (event.key === '?' && !writes(event.target)) {
      event.preventDefault();
      list()?.showModal();
    } else if (event.key === 'Escape' && !event.target.matches?.('input[aria-expanded=true]')) {  // not an open menu's
      if (!closeOne() && !writes(event.target)) stop();
    }
  }, true);
  // Arrow keys go from tab to tab, of which one alone is reached by Tab.
  const tabsOf = one => [...(one.closest('[role=tablist]')?.querySelectorAll('[role=tab]') ?? [])].filter(shown);
  document.addEventListener('keydown', event => {
    const tab = event.target.closest?.('[role=tab]');
    const to = {ArrowRight: 1, ArrowLeft: -1, Home: 'first', End: 'last'}[event.key];
    if (!tab || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const tabs = tabsOf(tab), last = tabs.length - 1;
    const place = to === 'first' ? 0 : to === 'last' ? last : (tabs.indexOf(tab) + to + tabs.length) % tabs.length;
    tabs[place]?.click();
    tabs[place]?.focus();
  });
  const settle = () => {
    for (const tab of document.querySelectorAll('[role=tab]')) {
      const wanted = tab.getAttribute('aria-selected') === 'false' ? -1 : 0;
      if (tab.tabIndex !== wanted) tab.tabIndex = wanted;
    }
    const opener = document.querySelector('[data-open-evaluation]'), open = String(sideIsOpen());
    if (opener && opener.getAttribute('aria-expanded') !== open) opener.setAttribute('aria-expanded', open);
  };
  // Choices of one of several are a group to the browser if they have one name: the arrow keys then go through them, and
  // Tab to the chosen one. Gradio gives each a name of its own.
  const group = () => {
    for (const set of document.querySelectorAll('fieldset')) {
      const [first, ...others] = set.querySelectorAll('input[type=radio]');
      for (const one of others) if (one.name !== first.name) one.name = first.name;
    }
  };
  // Names that Gradio gave just now, in answer to the key before, are made one before the next key does anything.
  document.addEventListener('keydown', group, {capture: true});
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; settle(); group(); }, 50);
  };
  new MutationObserver(soon).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ['aria-selected', 'class', 'name'],
  });
  document.addEventListener('click', event => {
    if (event.target.closest?.('[data-open-evaluation]')) toggleSide(true);
    if (event.target.closest?.('[data-keys]')) list()?.showModal();
    const dialog = event.target.closest?.('dialog[data-plain]');
    if (dialog && (event.target === dialog || event.target.closest('[data-close]'))) dialog.close();
  });
})();
