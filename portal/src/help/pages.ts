import { texts } from '../texts/texts';

const built = import.meta.glob<string>('./documents/*.md', { query: '?raw', import: 'default', eager: true });

/** Pages of the documentation, in the order of their names, as `docs/derived.py` writes them. */
export const pages: Record<string, string> = Object.fromEntries(
  Object.keys(texts.help.documents).map((name) => [name, built[`./documents/${name}.md`] ?? '']),
);
