import type { Texts } from './language';

/** Was jemand liest, der Volumina in einen Datensatz bringt. */
export const germanPublication: Texts['publication'] = {
  title: 'In einen Datensatz',
  intro:
    'Die Volumina angenommener Aufnahmen werden Spalten der nächsten Version eines Datensatzes, nach Pseudonym und nächstgelegener Visite. Sehen Sie zuerst den Plan an.',
  dataset: 'Datensatz',
  nothing: 'Kein Datensatz ist veröffentlicht',
  window: 'Tage zwischen Aufnahme und Visite, höchstens',
  target: 'Als anderer Datensatz veröffentlichen',
  targetHint: 'Leer: die nächste Version von diesem',
  replace: 'Spalten, die es schon gibt, weichen',
  unproven: 'Zum Ausprobieren: Es ist nicht belegt, dass die Volumina genau genug sind',
  small: 'Veröffentlichen, obwohl wenige Patienten von einer früheren Version abweichen',
  plan: 'Ansehen, was geschähe',
  go: 'Veröffentlichen',
  counts: 'Was aus den Aufnahmen wird',
  byDate: (date, days) => `Nach Pseudonym und nächstgelegenem ${date}, höchstens ${days} Tage entfernt.`,
  byPatient:
    'Nach Pseudonym allein, von jedem Patienten die jüngste Aufnahme: Der Datensatz hat keine Daten, die wie die der Aufnahmen verschoben sind.',
  fates: {
    joined: 'zugeordnet',
    no_patient: 'von keinem Patienten des Datensatzes',
    outside: 'außerhalb des Fensters',
    ambiguous: 'mehrdeutig: eine andere Aufnahme oder Visite liegt gleich nahe',
    undated: 'ohne ein Datum, das wie die des Datensatzes verschoben ist',
    spare: 'übrig: eine andere Aufnahme liegt näher oder ist jünger',
    other: 'mit anderem Atlas oder anderer Einstellung gemessen',
    waiting: 'noch nicht beurteilt',
    rejected: 'verworfen',
  },
  without: (without, all) => `${without.toLocaleString('de')} von ${all.toLocaleString('de')} Patienten bleiben ohne Aufnahme.`,
  columns: (n) => `${n} Spalten, Volumina in cm³`,
  replaced: 'Es weichen',
  gone: 'Fallen weg, da jetzt nicht gemessen',
  leftOut: 'Nicht veröffentlicht: Das Datenmodell hat keinen Platz dafür',
  refused: 'Es würde nicht veröffentlicht',
  ready: 'Nichts steht dagegen.',
  done: (dataset, version) => `${dataset} ist bei Version ${version}.`,
  open: 'Zum Datensatz',
};
