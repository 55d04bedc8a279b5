/** What a person reads while finding a variable: the two views of a data model, and a search. */
export const exploreTexts = {
  view: 'Show the data model as',
  views: { tree: 'Tree', circles: 'Circles' },
  hint: 'Arrows walk, Enter or ↓ goes in, Escape or ↑ out; y or x adds to the analysis.',
  path: 'Where you are in the data model',
  groupOf: (label: string, variables: number) => `${label}, ${variables === 1 ? '1 variable' : `${variables} variables`}`,
  absent: 'in none of the chosen datasets',
  larger: 'Larger',
  found: (n: number) => (n === 1 ? '1 variable found' : `${n} variables found`),
  first: (shown: number, found: number) => `The first ${shown} of ${found} are shown; a further word narrows them.`,
  results: 'Variables found',
  places: {
    label: 'name',
    code: 'code',
    level: 'level',
    units: 'unit',
    group: 'group',
    description: 'description',
  },
  reason: (place: string, found: string) => `${place}: ${found}`,
  synonym: (typed: string, found: string) => `${found} for “${typed}”`,
};
