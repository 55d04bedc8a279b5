import { afterEach, expect, test, vi } from 'vitest';

import { german } from './de';
import { english } from './en';
import { french } from './fr';
import { prefer, preferred } from './language';
import { language, locale, speak, texts } from './texts';

/** Every text by its place: words, whether there are any, lists by their length, functions by their arguments. */
function placesOf(part: unknown, place = ''): string[] {
  if (typeof part === 'function') return [`${place}(${part.length})`];
  if (typeof part !== 'object' || part === null) return [part === '' ? `${place} (empty)` : place];
  return Object.entries(part).flatMap(([name, inner]) => placesOf(inner, `${place}.${name}`));
}

afterEach(async () => {
  localStorage.clear();
  vi.restoreAllMocks();
  await speak('en');
});

test.each([
  ['de', german],
  ['fr', french],
])('no text is missing in %s, and none is empty that English has', (_, translation) => {
  expect(placesOf(translation).sort()).toEqual(placesOf(english).sort());
});

test('a language that is spoken has its texts, dates and numbers', async () => {
  await speak('de');
  expect([language, locale, document.documentElement.lang]).toEqual(['de', 'de', 'de']);
  expect(texts.nav.datasets).toBe('Daten');
  expect(texts.people.logOut).toBe('Abmelden');
  expect(texts.people.tokens).not.toBe(english.people.tokens);
  expect(texts.analysis.about(1300)).toBe('etwa 1.300 Patienten');
});

test('the language is that which was chosen, else the first of the browser’s that there is', () => {
  vi.spyOn(navigator, 'languages', 'get').mockReturnValue(['it-CH', 'fr-CH', 'de']);
  expect(preferred()).toBe('fr');
  prefer('de');
  expect(preferred()).toBe('de');
  localStorage.setItem('mip-language', 'constructor');
  expect(preferred()).toBe('fr');
});
