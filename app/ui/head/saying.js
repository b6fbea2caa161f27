// What screen readers are told of the work: how each job stands, and every quarter of the way; one line, which stays.
(() => {
  const PAUSE_MS = 700;
  const said = new Map();
  let waiting = false, place = null;
  const words = section => {
    const title = section.querySelector('h2')?.textContent ?? '', {status} = section.dataset;
    const bar = section.querySelector('[role=progressbar]');
    const most = Number(bar?.getAttribute('aria-valuemax') ?? 0), now = Number(bar?.getAttribute('aria-valuenow') ?? 0);
    const quarter = status === 'running' && most > 1 ? Math.floor(4 * now / most) * 25 : 0;
    const state = section.querySelector('.cx-state')?.textContent ?? status;
    return `${title}: ${state}${quarter ? `, ${quarter} percent` : ''}`;
  };
  const tell = () => {
    waiting = false;
    const news = [];
    for (const section of document.querySelectorAll('.cx-stage[data-job]')) {
      const {job} = section.dataset, now = words(section), before = said.get(job);
      // What had ended before the page was opened is no news.
      if (now !== before && (before !== undefined || /^(queued|running)$/.test(section.dataset.status))) news.push(now);
      said.set(job, now);
    }
    if (!news.length) return;
    if (!place) {
      place = document.body.appendChild(document.createElement('div'));
      place.id = 'cx-said';
      place.className = 'cx-visually-hidden';
      place.setAttribute('role', 'status');
    }
    place.textContent = news.join('. ');
  };
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(tell, PAUSE_MS);
  };
  new MutationObserver(soon).observe(document.documentElement, {childList: true, subtree: true});
})();
