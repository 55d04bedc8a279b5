import type { scansTexts } from './scans';

/** Français. */
export const frenchScans: typeof scansTexts = {
  title: 'Examens',
  intro:
    'Examens pondérés en T1, sans identifiants. Ils viennent du dossier inbox/imaging/ de cette installation, d’un PACS ou de « mip imaging add ».',
  empty: 'Il n’y a pas d’examens',
  emptyHint:
    'Copiez un dossier de fichiers DICOM, un zip, un dossier BIDS ou un fichier NIfTI dans inbox/imaging/. Ce qu’il en advient apparaît ici de soi-même.',
  noMatch: 'Aucun examen ne correspond à ce choix',
  verdict: 'Verdict',
  any: 'tout verdict',
  verdicts: { taken: 'retenu', 'left out': 'écarté', refused: 'refusé' },
  columns: { verdict: 'Verdict', patient: 'Patient', acquired: 'Acquis', volume: 'Volume', source: 'Venu comme' },
  acquiredHint: 'La date est décalée, comme celles des lignes du patient',
  volume: (shape, voxel) => `${shape.join(' × ')} voxels de ${voxel.map((edge) => Number(edge.toFixed(2)).toLocaleString('fr')).join(' × ')} mm`,
  source: (source, files) => `${source}, ${files.toLocaleString('fr')} ${files === 1 ? 'image' : 'images'}`,
  inbox: 'À l’arrivée',
  kept: 'Gardés et jugés',
  loose: 'fichiers seuls',
  inboxColumns: { name: 'Quoi', state: 'État', found: 'Trouvé' },
  states: { arriving: 'arrive', reading: 'en lecture', read: 'lu', failed: 'non lu' },
  files: (n) => `${n.toLocaleString('fr')} ${n === 1 ? 'fichier' : 'fichiers'}`,
  found: (taken, left, refused, fresh) => `${taken} retenus, ${left} écartés, ${refused} refusés ; dont ${fresh} nouveaux`,
  previous: 'Précédents',
  next: 'Suivants',
  of: (first, last, total) => `${first}–${last} sur ${total.toLocaleString('fr')}`,
};
