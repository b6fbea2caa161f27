// Light or dark: as the system is, or as was chosen, which this browser alone remembers.
(() => {
  const KEY = 'crossmax-studio-theme', system = matchMedia('(prefers-color-scheme: dark)');
  const asked = new URLSearchParams(location.search).get('__theme');  // the framework's own way, by the address
  const read = () => {
    let found = null;
    try { found = localStorage.getItem(KEY); } catch { /* a browser that keeps nothing */ }
    return ['light', 'dark'].includes(found) ? found : 'system';
  };
  let chosen = read();
  const isDark = () => {
    const wanted = chosen === 'system' ? asked : chosen;
    return ['light', 'dark'].includes(wanted) ? wanted === 'dark' : system.matches;
  };
  const apply = () => {
    const dark = isDark();
    document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
    if (document.body && document.body.classList.contains('dark') !== dark) document.body.classList.toggle('dark', dark);
    for (const menu of document.querySelectorAll('select[data-theme]')) if (menu.value !== chosen) menu.value = chosen;
  };
  document.addEventListener('change', event => {
    if (!event.target.matches?.('select[data-theme]')) return;
    chosen = event.target.value;
    try { localStorage.setItem(KEY, chosen); } catch { /* holds until the page is closed */ }
    apply();
  });
  addEventListener('storage', event => { if (event.key === KEY) { chosen = read(); apply(); } });
  system.addEventListener('change', apply);
  const begin = () => {
    apply();
    // The framework sets what the system says, also after the page has come.
    new MutationObserver(apply).observe(document.body, {attributes: true, attributeFilter: ['class']});
    // The menu comes later than the page.
    const coming = new MutationObserver(() => {
      if (!document.querySelector('select[data-theme]')) return;
      coming.disconnect();
      apply();
    });
    coming.observe(document.body, {childList: true, subtree: true});
  };
  if (document.body) begin(); else addEventListener('DOMContentLoaded', begin);
})();
