// A small button at every field that does not hold what it holds at first: it puts that back. Choices are clicked as a
// visitor would, so that all that goes with them follows; other fields are put back by the server.
window.cxReset = (() => {
  const changed = new Map();  // id of a field -> [form, what it holds at first]
  const same = (one, other) => JSON.stringify(one ?? '') === JSON.stringify(other ?? '');
  const said = value => {
    if (value === true || value === false) return value ? 'on' : 'off';
    return value === null || value === '' || value?.length === 0 ? 'nothing' : [value].flat().join(', ');
  };
  const named = block => block.querySelector('[data-testid=block-info], label span')?.textContent.trim() ?? '';
  const place = () => {
    for (const button of document.querySelectorAll('.cx-undo')) {
      if (!changed.has(button.parentElement?.id)) button.remove();
    }
    for (const [id, [form, usual]] of changed) {
      const block = document.getElementById(id);
      if (!block || block.querySelector(':scope > .cx-undo')) continue;
      const button = document.createElement('button');
      button.className = 'cx-undo';
      button.type = 'button';
      button.dataset.form = form;
      button.textContent = '\u21ba';
      const words = `${named(block)}: back to ${said(usual)}`;
      button.setAttribute('aria-label', words);
      button.title = words;
      block.append(button);
    }
  };
  const sendTo = (form, detail) => {
    const place_ = document.querySelector(`#${form}-put-back i`);
    place_?.dispatchEvent(new CustomEvent('cx-back', {bubbles: true, detail}));
  };
  const click = (block, usual) => {
    for (const input of block.querySelectorAll('input[type=radio], input[type=checkbox]')) {
      const wanted = [usual].flat().includes(input.value);
      if (input.checked !== wanted && (wanted || input.type === 'checkbox')) input.click();
    }
  };
  document.addEventListener('click', event => {
    const button = event.target.closest?.('.cx-undo'), block = button?.parentElement;
    if (!button || !changed.has(block.id)) return;
    const [form, usual] = changed.get(block.id);
    const next = block.querySelector('input, textarea');
    if (block.querySelector('input[type=radio], fieldset input[type=checkbox]')) click(block, usual);
    else sendTo(form, block.id);
    next?.focus({preventScroll: true});
  });
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; place(); });
  };
  new MutationObserver(soon).observe(document.documentElement, {childList: true, subtree: true});
  return {
    // ``fields`` are [name, value at first, whether it can be put back], in the order of ``values``.
    mark: (form, fields, values) => {
      fields.forEach(([name, usual, possible], at) => {
        if (possible && !same(values[at], usual)) changed.set(name, [form, usual]); else changed.delete(name);
      });
      soon();
    },
  };
})();
