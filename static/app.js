// What scripts add: keys, menus that close, the theme without a reload, lists that refresh calmly.
// Every task works without this file.
(function () {
  'use strict';
  var root = document.documentElement;

  // ── theme: the form works by itself; here it takes effect without a reload ──
  document.addEventListener('submit', function (event) {
    var form = event.target, button = event.submitter;
    if (!form.matches('[data-theme-form]') || !button || !window.fetch) return;
    event.preventDefault();
    var data = new FormData(form);
    data.set('theme', button.value);
    fetch(form.action, { method: 'POST', body: data, credentials: 'same-origin', redirect: 'manual' });
    if (button.value !== 'system') root.dataset.bsTheme = button.value; else delete root.dataset.bsTheme;
    document.querySelectorAll('[data-theme-form] button').forEach(function (other) {
      other.setAttribute('aria-pressed', String(other.value === button.value));
    });
  });

  // ── menus are <details>: one open at a time; a click elsewhere or Escape closes ──
  document.addEventListener('click', function (event) {
    document.querySelectorAll('details.menu[open]').forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
    var opener = event.target.closest('[data-dialog]');
    if (opener) {
      var dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && dialog.showModal) { event.preventDefault(); dialog.showModal(); }
    }
    if (event.target.closest('[data-close]')) {
      event.preventDefault();
      event.target.closest('dialog').close();
    }
    if (event.target.closest('[data-dismiss]')) event.target.closest('.toast').remove();
    if (event.target.closest('[data-shortcuts]')) showKeys();
  });
  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape') return;
    document.querySelectorAll('details.menu[open]').forEach(function (menu) {
      menu.open = false;
      if (menu.contains(document.activeElement)) menu.querySelector('summary').focus();
    });
  });
  document.querySelectorAll('[data-dismiss], [data-shortcuts], [data-script]').forEach(function (part) {
    part.hidden = false;
  });

  // ── sign-up: the browser's time zone, unless another was chosen ──
  document.querySelectorAll('select[data-zone]').forEach(function (select) {
    var zone = window.Intl && Intl.DateTimeFormat().resolvedOptions().timeZone;
    var known = Array.prototype.some.call(select.options, function (option) { return option.value === zone; });
    if (known && !select.closest('form').querySelector('[aria-invalid]')) select.value = zone;
  });

  // ── a passkey that did not work ──
  document.addEventListener('allauth.error', function (event) {
    event.preventDefault();
    document.querySelectorAll('[data-passkey-error]').forEach(function (error) { error.hidden = false; });
  });

  // ── a filter that is chosen from a list is applied at once ──
  document.addEventListener('change', function (event) {
    if (event.target.matches('[data-submit]')) event.target.form.requestSubmit();
  });

  // ── the address of a filtered list has the filters that are on, and no empty ones ──
  document.addEventListener('formdata', function (event) {
    var data = event.formData, names = Array.from(new Set(data.keys()));
    if (event.target.method !== 'get') return;
    var empty = names.filter(function (name) { return data.getAll(name).join('') === ''; });
    if (empty.length < names.length) empty.forEach(function (name) { data.delete(name); });
  });

  // ── fields that play a part with another choice only are out of the way, those that hang on them too ──
  function applies(part, form) {
    var choice = form.elements[part.dataset.when];
    if (!choice) return true;
    var above = choice.closest && choice.closest('[data-when]');
    return part.dataset.values.split(' ').indexOf(choice.value) >= 0 && (!above || applies(above, form));
  }
  function showWhatApplies() {
    document.querySelectorAll('[data-when]').forEach(function (part) {
      part.hidden = !applies(part, part.closest('form'));
    });
  }
  document.addEventListener('change', function (event) {
    if (event.target.form && event.target.form.querySelector('[data-when]')) showWhatApplies();
  });
  showWhatApplies();

  // ── how many orders a mapping releases: said on its button before it is saved ──
  document.addEventListener('change', function (event) {
    var form = event.target.form, button = form && form.querySelector('[data-releases]');
    if (!button) return;
    var number = 0;
    form.querySelectorAll('[data-waits]').forEach(function (choice) {
      if (choice.value) number += Number(choice.dataset.waits);
    });
    button.dataset.plain = button.dataset.plain || button.textContent;
    button.textContent = !number ? button.dataset.plain
      : button.dataset.releases + ' ' + number + (number === 1 ? ' order' : ' orders');
  });

  // ── two lists with arrows: a double click, or Enter in a list, moves what is chosen there ──
  function moves(list) {
    var form = list.closest('form'), first = form.querySelector('select') === list;
    if (list.selectedOptions.length) form.requestSubmit(form.querySelectorAll('button[name="move"]')[first ? 0 : 1]);
  }
  document.addEventListener('dblclick', function (event) {
    var list = event.target.closest('[data-mover] select');
    if (list) moves(list);
  });
  document.addEventListener('keydown', function (event) {
    if (event.key === 'Enter' && event.target.matches('[data-mover] select')) { event.preventDefault(); moves(event.target); }
  });

  // ── Grant API Access: the consent page in a window of its own; where that is blocked, in this one ──
  var POPUP = 'im-grant';
  document.addEventListener('submit', function (event) {
    var form = event.target, button = event.submitter;
    if (!form.matches('[data-grant]') || !button || button.name !== 'grant' || !window.fetch || !window.BroadcastChannel) return;
    var popup = window.open('', POPUP, 'popup,width=560,height=720');
    if (!popup) return;
    event.preventDefault();
    var data = new FormData(form);
    data.set('grant', '1');
    function here() { popup.close(); form.removeAttribute('data-grant'); form.requestSubmit(button); }
    fetch(form.action, { method: 'POST', body: data, headers: { 'X-Popup': '1' } }).then(function (answer) {
      if (!answer.ok || (answer.headers.get('Content-Type') || '').indexOf('application/json') !== 0) { here(); return; }
      return answer.json().then(function (said) { popup.location = said.url; popup.focus(); });
    }).catch(here);
  });
  if (window.BroadcastChannel) {
    var grants = new BroadcastChannel(POPUP);
    if (document.querySelector('form[data-grant]')) {
      grants.onmessage = function (event) {
        var there = new URL(event.data, location.href);
        if (there.origin === location.origin && there.pathname === location.pathname) location.href = there.href;
      };
    }
    document.addEventListener('click', function (event) {
      if (window.name === POPUP && event.target.closest('[data-back]')) { event.preventDefault(); window.close(); }
    });
    var granted = document.querySelector('[data-granted]');
    if (granted && window.name === POPUP) {
      if (granted.dataset.granted) grants.postMessage(granted.dataset.granted);
      window.close();
    }
  }

  // ── a form that was sent says so, and is not sent twice ──
  document.addEventListener('submit', function (event) {
    if (event.defaultPrevented || event.target.method !== 'post' || event.target.method === 'dialog') return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = '1';
    if (event.submitter) event.submitter.setAttribute('aria-busy', 'true');
  });
  window.addEventListener('pageshow', function () {
    document.querySelectorAll('form[data-sent]').forEach(function (form) { delete form.dataset.sent; });
    document.querySelectorAll('[aria-busy]').forEach(function (busy) { busy.removeAttribute('aria-busy'); });
  });

  // ── single keys: / j k x Enter ?, never while typing, and they can be switched off ──
  var keys = document.getElementById('shortcuts');
  var box = keys && keys.querySelector('[data-shortcuts-on]');
  function stored() { try { return localStorage.getItem('im-keys'); } catch (e) { return null; } }
  if (box) {
    box.checked = stored() !== 'off';
    box.addEventListener('change', function () {
      try { localStorage.setItem('im-keys', box.checked ? 'on' : 'off'); } catch (e) { /* private window */ }
    });
  }
  function showKeys() {
    if (!keys || keys.open) return;
    keys.querySelectorAll('[data-for-selection]').forEach(function (part) {
      part.hidden = !document.querySelector('[data-selection]');
    });
    keys.showModal();
  }

  function rows() { return Array.prototype.slice.call(document.querySelectorAll('[data-rows] [data-row]')); }
  function move(step) {
    var all = rows();
    if (!all.length) return;
    var at = all.findIndex(function (row) { return row.classList.contains('is-cursor'); });
    var to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all.forEach(function (row, index) { row.classList.toggle('is-cursor', index === to); });
    var link = all[to].querySelector('a, summary, button');
    if (link) link.focus({ preventScroll: true });
    all[to].scrollIntoView({ block: 'nearest' });
  }
  document.addEventListener('keydown', function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]')) return;
    if (event.key === '?' ) { event.preventDefault(); showKeys(); return; }
    if (box && !box.checked) return;
    if (event.key === '/') {
      var search = document.querySelector('main [data-search]') || document.querySelector('[data-search]');
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === 'j') move(1);
    else if (event.key === 'k') move(-1);
    else if (event.key === 'x') {
      var pick = document.querySelector('[data-row].is-cursor input[type=checkbox]');
      if (pick) pick.click();
    }
  });

  // ── selection: the bar says how many, the box in the head selects all of the page ──
  function count() {
    document.querySelectorAll('[data-selection]').forEach(function (form) {
      var picks = form.querySelectorAll('[data-row] input[type=checkbox]');
      var chosen = Array.prototype.filter.call(picks, function (pick) { return pick.checked; });
      picks.forEach(function (pick) { pick.closest('[data-row]').classList.toggle('is-selected', pick.checked); });
      form.querySelectorAll('[data-count]').forEach(function (part) { part.textContent = chosen.length; });
      form.querySelectorAll('[data-when-selected]').forEach(function (part) { part.hidden = !chosen.length; });
    });
  }
  document.addEventListener('change', function (event) {
    var form = event.target.closest('[data-selection]');
    if (!form) return;
    if (event.target.matches('[data-select-all]')) {
      form.querySelectorAll('[data-row] input[type=checkbox]').forEach(function (pick) { pick.checked = event.target.checked; });
    }
    count();
  });
  document.addEventListener('htmx:afterSwap', function (event) {
    event.target.querySelectorAll('[data-script]').forEach(function (part) { part.hidden = false; });
    count();
  });
  count();

  var seen = Date.now(), LONG = 15 * 60 * 1000;
  ['pointerdown', 'keydown', 'scroll'].forEach(function (kind) {
    window.addEventListener(kind, function () { seen = Date.now(); }, { passive: true });
  });
  // ── polling ends when nobody is there, so that a page left open does not keep its session alive; it waits
  //    while someone reads, types or selects in the part it would replace ──
  document.addEventListener('htmx:beforeRequest', function (event) {
    var part = event.target;
    if (!part.matches || !part.matches('[data-poll]')) return;
    var busy = document.hidden || Date.now() - seen > LONG || part.contains(document.activeElement) || part.querySelector('input:checked, details[open]');
    if (busy) event.preventDefault();
  });
})();
