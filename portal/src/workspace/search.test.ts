import { expect, test } from 'vitest';

// The server's own search is held to the same.
import cases from '../../../tests/catalogue/search_cases.json';
import type { ModelTree } from '../api/client';
import { asLine, indexOf, plain, search, SYNONYMS, termsOf } from './search';

interface Written {
  variables: { code: string; label: string }[];
  groups?: Written[];
}

const variable = (code: string, label: string, more = {}) => ({
  code, label, type: 'real', description: '', units: null, enumerations: [], ...more,
});
const levels = (...names: string[]) => ({ enumerations: names.map((name) => ({ code: name[0], label: name })) });
/** As the API tells a model: groups and levels that a file leaves out are there and empty. */
const whole = (group: Written): object => ({
  ...group,
  variables: group.variables.map((one) => variable(one.code, one.label, one)),
  groups: (group.groups ?? []).map(whole),
});
const model = whole(cases.model) as ModelTree;
const index = indexOf(model);
const codes = (typed: string) => search(index, typed).map((hit) => hit.variable.code);
const reasons = (typed: string) => search(index, typed).map((hit) => asLine(hit).reason);

test.each(cases.first as [string, string][])('%s finds %s first', (typed, code) => {
  expect(codes(typed)[0]).toBe(code);
});

test.each(cases.whole as [string, string[]][])('%s finds what the server finds', (typed, found) => {
  expect(codes(typed)).toEqual(found);
});

test('a name comes before a mention, and every word has to be found', () => {
  expect(codes('hippocampus')).toEqual(['righthippocampus', 'lefthippocampus', 'leftamygdala']);
  expect(codes('hippocampus kidney')).toEqual([]);
  expect(codes('   ')).toEqual([]);
});

test('a short word is no piece of another', () => {
  expect(codes('gm')).not.toContain('sigma');
  expect(codes('sig')).toEqual(['sigma']);
});

test('the reason tells which text had it, and for which of the words that were typed', () => {
  expect(reasons('lefthippocampus')).toEqual(['Brain volumes · code: lefthippocampus']);
  expect(reasons('left hippocampus')[0]).toBe('Brain volumes');
  expect(reasons('hippocampus').at(-1)).toBe('Brain volumes · description: … before the hippocampus, in the temporal …');
  expect(reasons('femme')[0]).toBe('Clinic · level: Female for “femme”');
});

test('what is compared has neither accents nor signs', () => {
  expect(plain('  Größe (Hippocampe, côté droit)')).toBe('grosse hippocampe cote droit');
  for (const spelling of SYNONYMS.flat()) expect(plain(spelling)).toBe(spelling);
});

test('a phrase is one meaning, and the beginning of a long word its synonyms’', () => {
  expect(termsOf('left grey matter').map((term) => term.typed)).toEqual(['left', 'grey matter']);
  expect(termsOf('demen')[0]?.spellings).toContain('demenz');
  expect(termsOf('de')[0]?.spellings).toEqual(['de']);
});

test('2,000 variables are searched by few comparisons, however much is typed', () => {
  const many = {
    label: 'Large', variables: [],
    groups: Array.from({ length: 40 }, (_, group) => ({
      code: `g${group}`, label: `Group ${group}`, groups: [],
      variables: Array.from({ length: 50 }, (_, place) =>
        variable(`left${group}x${place}`, `Left region ${group} ${place} grey matter volume`, {
          description: 'Volume of the region in the left hemisphere, from a T1-weighted scan', units: 'cm3', ...levels('Female', 'Male'),
        }),
      ),
    })),
  } as unknown as ModelTree;
  const large = indexOf(many);
  let texts = 0;
  const hits = search(large, 'gauche matière grise vol region', () => (texts += 1));
  expect(hits).toHaveLength(2000);
  // Four terms of at most 11 spellings in six texts; 100 ms would be enough for some ten times as many.
  expect(texts).toBeLessThan(2000 * 4 * 11 * 6);
  let none = 0;
  expect(search(large, 'kidney gauche matière grise', () => (none += 1))).toEqual([]);
  expect(none).toBe(2000 * 6);
});
