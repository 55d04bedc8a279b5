import { locale, texts } from '../texts/texts';

/** Names that are told before the others are counted. */
const TOLD = 5;

/** What an analysis computes, of what and of whom, in one sentence. */
export function inOneSentence(asked: {
  algorithm: string;
  y: string[];
  x: string[];
  datasets: number;
  filter: string | null;
  prepared: boolean;
  validated: boolean;
}): string {
  const t = texts.analysis.sentence;
  const what = t.what(asked.algorithm, listed(asked.y), asked.x.length ? listed(asked.x) : null);
  const whom = t.whom(asked.datasets, asked.filter);
  const extras = [asked.prepared ? t.prepared : null, asked.validated ? t.validated : null].filter((part) => part !== null);
  return [what, whom, ...extras].join(', ') + '.';
}

function listed(names: string[]): string {
  const told = names.length > TOLD ? [...names.slice(0, TOLD), texts.analysis.sentence.more(names.length - TOLD)] : names;
  return new Intl.ListFormat(locale, { type: 'conjunction' }).format(told);
}
