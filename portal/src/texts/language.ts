import type { english } from './en';

export type Texts = typeof english;

/** Parts of the texts that are translated whole; the others are English in every language. */
export const TRANSLATED = [
  'skip', 'language', 'nav', 'theme', 'synthetic', 'syntheticHint', 'loading', 'retry', 'close', 'suppressed', 'yes', 'no',
  'fault', 'notFound', 'home', 'workspace', 'analysis', 'validation', 'preparation', 'grid', 'compare', 'explore', 'filter', 'cohort', 'administration',
] as const;

/** What the shell says of persons. */
export const TRANSLATED_OF_PEOPLE = ['open', 'logIn', 'logOut', 'name', 'password', 'provider', 'code', 'profile', 'title'] as const;

/** What the shell and the tour say of help. */
export const TRANSLATED_OF_HELP = ['title', 'tour'] as const;

/** Texts of another language: the same keys, lists of the same length, the same arguments. */
export type Translation = Pick<Texts, (typeof TRANSLATED)[number]> & {
  people: Pick<Texts['people'], (typeof TRANSLATED_OF_PEOPLE)[number]>;
  help: Pick<Texts['help'], (typeof TRANSLATED_OF_HELP)[number]>;
};

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français' } as const;
export type Language = keyof typeof LANGUAGES;

/** Each language is read at need, and English is always there. */
export const loaders: Record<Language, () => Promise<Partial<Translation>>> = {
  en: () => Promise.resolve({}),
  de: async () => (await import('./de')).german,
  fr: async () => (await import('./fr')).french,
};

const KEY = 'mip-language';

/** The language that was chosen here, or else the first of the browser's that there is. */
export function preferred(): Language {
  const wanted = [localStorage.getItem(KEY) ?? '', ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag): tag is Language => Object.hasOwn(LANGUAGES, tag)) ?? 'en';
}

/** Chooses a language for this browser, for the next time that the portal is loaded. */
export function prefer(language: Language): void {
  localStorage.setItem(KEY, language);
}
