/** What a person reads on arriving: their last work, the hospitals, news of the data. */
export const homeTexts = {
  recent: 'Recent experiments',
  all: 'All experiments',
  none: 'None yet; the first one you run is shown here.',
  news: 'News of the data',
  quiet: (days: number) => `Nothing was published in the last ${days} days.`,
  published: (version: number) => (version === 1 ? 'new' : `version ${version}`),
  at: (when: string, patients: string) => `${when} · ${patients} patients`,
  hospitals: 'Hospitals',
  there: 'there',
  away: 'not heard of',
  paused: 'paused',
  holds: (n: number) => (n === 1 ? '1 dataset' : `${n} datasets`),
  missing: (n: number) =>
    n === 1 ? 'One hospital does not answer: analyses of its data wait or fail.' : `${n} hospitals do not answer: analyses of their data wait or fail.`,
};
