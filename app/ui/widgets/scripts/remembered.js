// What the forms of the page hold, kept by the browser alone: nothing here asks the server for anything.
window.cxForms = (() => {
  // Where there are accounts, each has its own in a browser that several use (`app.web.door`).
  const account = /(?:^|; )crossmax-account=(\w+)/.exec(document.cookie)?.[1];
  const KEY = account ? `crossmax-studio-forms-${account}` : 'crossmax-studio-forms', MOST_LETTERS = 100000, PAUSE_MS = 400;
  const TAB_KEY = account ? `crossmax-studio-tab-${account}` : 'crossmax-studio-tab';
  const waiting = new Map();
  let timer, listening = false;  // not before the page has been told what was kept: its first values are no one's
  const read = () => {
    try {
      const letters = localStorage.getItem(KEY) ?? '';
      const found = letters.length > MOST_LETTERS ? {} : JSON.parse(letters || '{}');
      return found && typeof found === 'object' && !Array.isArray(found) ? found : {};
    } catch {
      return {};
    }
  };
  const write = () => {
    clearTimeout(timer);
    if (!waiting.size) return;
    const letters = JSON.stringify({...read(), ...Object.fromEntries(waiting)});
    waiting.clear();
    try {
      if (letters.length <= MOST_LETTERS) localStorage.setItem(KEY, letters);
    } catch { /* a browser that keeps nothing */ }
  };
  // Of several pages of one browser each comes back as it was; one that is opened anew, as the last that was used.
  const tab = () => {
    try {
      return sessionStorage.getItem(TAB_KEY) ?? localStorage.getItem(TAB_KEY) ?? '';
    } catch {
      return '';
    }
  };
  const keepTab = name => {
    if (!listening) return;
    try {
      for (const storage of [sessionStorage, localStorage]) storage.setItem(TAB_KEY, name);
    } catch { /* a browser that keeps nothing */ }
  };
  const same = (one, other) => JSON.stringify(one ?? '') === JSON.stringify(other ?? '');
  addEventListener('pagehide', write);
  return {
    read, tab, keepTab,
    listen: () => { listening = true; },
    // Only what differs from a form that nobody touched, once nothing has changed for a moment.
    keep: (form, fields, pictures, values) => {
      window.cxReset?.mark(form, fields, values);
      if (!listening) return;
      const kept = {fields: {}, pictures: {}};
      fields.forEach(([name, usual], place) => {
        if (!same(values[place], usual)) kept.fields[name] = values[place];
      });
      pictures.forEach((name, place) => {
        const digest = /data-digest="(\w+)"/.exec(values[fields.length + place] ?? '');
        if (digest) kept.pictures[name] = digest[1];
      });
      waiting.set(form, kept);
      clearTimeout(timer);
      timer = setTimeout(write, PAUSE_MS);
    },
    forget: () => {
      listening = false;
      waiting.clear();
      localStorage.removeItem(KEY);
      for (const storage of [sessionStorage, localStorage]) storage.removeItem(TAB_KEY);
    },
  };
})();
