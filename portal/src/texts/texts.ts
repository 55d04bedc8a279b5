import { english } from './en';
import { type Language, loaders, type Texts } from './language';

/** Every text that a person reads, in their language; chosen before any screen is loaded. */
export let texts: Texts = english;

/** How dates and numbers are written. */
export let locale = 'en-GB';

/** The language that is spoken. */
export let language: Language = 'en';

/** Speaks a language from now on; screens that are there already go on as they are. */
export async function speak(chosen: Language): Promise<void> {
  texts = chosen === 'en' ? english : await loaders[chosen]();
  language = chosen;
  locale = chosen === 'en' ? 'en-GB' : chosen;
  document.documentElement.lang = chosen;
}
