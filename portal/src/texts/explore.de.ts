import type { exploreTexts } from './explore';

/** Deutsch. */
export const germanExplore: typeof exploreTexts = {
  view: 'Das Datenmodell zeigen als',
  views: { tree: 'Baum', circles: 'Kreise' },
  hint: 'Pfeile wandern, Eingabe oder ↓ geht hinein, Escape oder ↑ hinaus; y oder x fügt zur Auswertung hinzu.',
  path: 'Wo Sie im Datenmodell sind',
  groupOf: (label, variables) => `${label}, ${variables === 1 ? '1 Variable' : `${variables} Variablen`}`,
  absent: 'in keinem der gewählten Datensätze',
  larger: 'Größer',
  found: (n) => (n === 1 ? '1 Variable gefunden' : `${n} Variablen gefunden`),
  more: (left) => `${left} weitere`,
  results: 'Gefundene Variablen',
  places: {
    label: 'Name',
    code: 'Code',
    level: 'Stufe',
    units: 'Einheit',
    group: 'Gruppe',
    description: 'Beschreibung',
  },
  reason: (place, found) => `${place}: ${found}`,
  synonym: (typed, found) => `${found} für „${typed}“`,
  noRole: (what) => `${what} ist nicht mehr in der Auswertung.`,
  compare: {
    title: 'Zwischen Datensätzen und Krankenhäusern',
    chart: (label) => `${label} nach Datensatz`,
    share: 'Anteil der Patienten mit einem Wert',
    totals: 'Die Krankenhäuser sagen hier nur Summen; einzelne Datensätze werden nicht genannt.',
    hidden: 'verborgen',
    here: 'dieser Server',
    all: 'alle seine Datensätze',
    columns: { site: 'Krankenhaus', dataset: 'Datensatz', n: 'n', missing: 'Fehlend', share: 'Anteil fehlend', mean: 'Mittelwert', sd: 'SD', median: 'Median' },
  },
};
