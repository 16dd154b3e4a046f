// The model zoo's table: filters, order, commands of a row. Its plots: tooltips. Without this, both are read as they are.
(() => {
  const CHOICES = ['family', 'task', 'data', 'input'];
  const LIMITS = ['params', 'cost'];

  function filters(zoo, form, rows) {
    const texts = new Map(rows.map((row) => [row, `${row.textContent} ${row.dataset.text}`.toLowerCase()]));
    const fields = [...CHOICES, ...LIMITS, 'q'].map((name) => form.elements[name]);

    function apply() {
      const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const chosen = CHOICES.every((name) => {
          const value = form.elements[name].value;
          return !value || row.dataset[name] === value;
        });
        // a row without the number is not known to be within the limit
        const within = LIMITS.every((name) => {
          const limit = form.elements[name].value;
          return limit === '' || (row.dataset[name] !== '' && Number(row.dataset[name]) <= Number(limit));
        });
        row.hidden = !(chosen && within && words.every((word) => texts.get(row).includes(word)));
        if (row.nextElementSibling?.matches('.zoo-detail')) row.nextElementSibling.hidden = row.hidden;
        shown += !row.hidden;
      }
      form.querySelector('output').textContent = `${shown} of ${rows.length} configs`;
    }

    // a link holds what is chosen
    function remember() {
      const query = new URLSearchParams(location.search);
      for (const field of fields) {
        if (field.value) query.set(field.name, field.value);
        else query.delete(field.name);
      }
      const text = query.toString();
      try {
        history.replaceState(null, '', (text ? `?${text}` : location.pathname) + location.hash);
      } catch {
        // pages opened as files may not change their address in some browsers
      }
    }

    const query = new URLSearchParams(location.search);
    for (const field of fields) if (query.has(field.name)) field.value = query.get(field.name);
    form.addEventListener('input', () => { apply(); remember(); });
    form.addEventListener('reset', () => setTimeout(() => { apply(); remember(); }));
    form.addEventListener('submit', (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  function order(table, rows) {
    const body = table.tBodies[0];
    const value = (row, column) => {
      const cell = row.cells[column];
      const text = cell.dataset.order ?? cell.textContent;
      return text === '' ? null : Number.isNaN(Number(text)) ? text : Number(text);
    };
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') === 'ascending';
        heads.forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const sorted = [...rows].sort((a, b) => {
          const [x, y] = [value(a, column), value(b, column)];
          if (x === null || y === null) return (x === null) - (y === null); // dashes stay last
          const sign = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en', { numeric: true });
          return down ? -sign : sign;
        });
        for (const row of sorted) {
          const detail = row.nextElementSibling?.matches('.zoo-detail') ? row.nextElementSibling : null;
          body.append(row);
          if (detail) row.after(detail);
        }
      });
    });
  }

  function commands(rows) {
    for (const row of rows) {
      const cell = row.cells[0];
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = 'commands';
      button.setAttribute('aria-expanded', 'false');
      cell.append(button);
      button.addEventListener('click', () => {
        const open = row.nextElementSibling?.matches('.zoo-detail');
        button.setAttribute('aria-expanded', String(!open));
        if (open) {
          row.nextElementSibling.remove();
          return;
        }
        const detail = document.createElement('tr');
        detail.className = 'zoo-detail';
        const box = detail.insertCell();
        box.colSpan = row.cells.length;
        box.append(cell.querySelector('template').content.cloneNode(true));
        for (const code of navigator.clipboard ? box.querySelectorAll('.zoo-command') : []) {
          const copy = document.createElement('button');
          copy.type = 'button';
          copy.textContent = 'copy';
          copy.addEventListener('click', async () => {
            await navigator.clipboard.writeText(code.querySelector('code').textContent);
            copy.textContent = 'copied';
          });
          code.append(copy);
        }
        row.after(detail);
      });
    }
  }

  function tooltips(figure) {
    const tip = document.createElement('div');
    tip.className = 'zoo-tip';
    tip.hidden = true;
    figure.append(tip);
    let chosen = null;

    function show(link) {
      hide();
      chosen = link;
      link.classList.add('zoo-chosen');
      tip.textContent = link.dataset.tip;
      tip.hidden = false;
      const [frame, mark] = [figure.getBoundingClientRect(), link.getBoundingClientRect()];
      const left = mark.left + mark.width / 2 - frame.left - tip.offsetWidth / 2;
      tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
      const above = mark.top - frame.top - tip.offsetHeight - 6;
      tip.style.top = `${above >= 0 ? above : mark.bottom - frame.top + 6}px`;
    }

    function hide() {
      chosen?.classList.remove('zoo-chosen');
      chosen = null;
      tip.hidden = true;
    }

    for (const link of figure.querySelectorAll('svg a')) {
      const title = link.querySelector('title');
      link.dataset.tip = title.textContent;
      link.setAttribute('aria-label', title.textContent);
      title.remove(); // the browser would show it as well
      let touched = false;
      link.addEventListener('pointerenter', (event) => { if (event.pointerType === 'mouse') show(link); });
      link.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') hide(); });
      link.addEventListener('pointerdown', (event) => { touched = event.pointerType !== 'mouse' && chosen !== link; });
      link.addEventListener('focus', () => { if (!touched) show(link); });
      link.addEventListener('blur', hide);
      // the first touch tells, the second one leads there
      link.addEventListener('click', (event) => {
        if (touched) {
          event.preventDefault();
          show(link);
        }
      });
    }
  }

  for (const zoo of document.querySelectorAll('.zoo')) {
    const table = zoo.querySelector('.zoo-table');
    const rows = [...table.tBodies[0].rows];
    filters(zoo, zoo.querySelector('form'), rows);
    commands(rows);
    order(table, rows);
  }
  document.querySelectorAll('.zoo-plot').forEach(tooltips);
})();
