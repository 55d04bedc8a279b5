import type { scansTexts } from './scans';

/** Deutsch. */
export const germanScans: typeof scansTexts = {
  title: 'Aufnahmen',
  intro:
    'T1-gewichtete Aufnahmen ohne Kennzeichen. Sie kommen aus dem Ordner inbox/imaging/ dieser Installation, aus einem PACS oder durch „mip imaging add“.',
  empty: 'Es gibt keine Aufnahmen',
  emptyHint:
    'Kopieren Sie einen Ordner mit DICOM-Dateien, ein Zip, einen BIDS-Ordner oder eine NIfTI-Datei nach inbox/imaging/. Was daraus wird, erscheint hier von selbst.',
  noMatch: 'Keine Aufnahme entspricht dieser Auswahl',
  verdict: 'Urteil',
  any: 'jedes Urteil',
  verdicts: { taken: 'übernommen', 'left out': 'übergangen', refused: 'abgelehnt' },
  columns: { verdict: 'Urteil', patient: 'Patient', acquired: 'Aufgenommen', volume: 'Volumen', source: 'Kam als' },
  acquiredHint: 'Das Datum ist verschoben, so wie die Daten in den Zeilen des Patienten',
  volume: (shape, voxel) => `${shape.join(' × ')} Voxel von ${voxel.map((edge) => Number(edge.toFixed(2)).toLocaleString('de')).join(' × ')} mm`,
  source: (source, files) => `${source}, ${files.toLocaleString('de')} ${files === 1 ? 'Bild' : 'Bilder'}`,
  inbox: 'Im Eingang',
  kept: 'Aufbewahrt und beurteilt',
  loose: 'einzelne Dateien',
  inboxColumns: { name: 'Was', state: 'Zustand', found: 'Gefunden' },
  states: { arriving: 'kommt an', reading: 'wird gelesen', read: 'gelesen', failed: 'nicht gelesen' },
  files: (n) => `${n.toLocaleString('de')} ${n === 1 ? 'Datei' : 'Dateien'}`,
  found: (taken, left, refused, fresh) => `${taken} übernommen, ${left} übergangen, ${refused} abgelehnt; ${fresh} davon neu`,
  previous: 'Vorige',
  next: 'Nächste',
  of: (first, last, total) => `${first}–${last} von ${total.toLocaleString('de')}`,
};
