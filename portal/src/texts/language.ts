import type { english } from './en';

/** All texts of a language: the same keys, lists of the same length, the same arguments. */
export type Texts = typeof english;

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français' } as const;
export type Language = keyof typeof LANGUAGES;

/** Each language but English is read at need. */
export const loaders: Record<Exclude<Language, 'en'>, () => Promise<Texts>> = {
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
