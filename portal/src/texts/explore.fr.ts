import type { exploreTexts } from './explore';

/** Français. */
export const frenchExplore: typeof exploreTexts = {
  view: 'Montrer le modèle de données en',
  views: { tree: 'Arbre', circles: 'Cercles' },
  hint: 'Les flèches parcourent, Entrée ou ↓ entre, Échap ou ↑ sort ; y ou x ajoute à l’analyse.',
  path: 'Où vous êtes dans le modèle de données',
  groupOf: (label, variables) => `${label}, ${variables === 1 ? '1 variable' : `${variables} variables`}`,
  absent: 'dans aucun des jeux de données choisis',
  larger: 'Agrandir',
  found: (n) => (n === 1 ? '1 variable trouvée' : `${n} variables trouvées`),
  more: (left) => `${left} de plus`,
  results: 'Variables trouvées',
  places: {
    label: 'nom',
    code: 'code',
    level: 'niveau',
    units: 'unité',
    group: 'groupe',
    description: 'description',
  },
  reason: (place, found) => `${place} : ${found}`,
  synonym: (typed, found) => `${found} pour « ${typed} »`,
  noRole: (what) => `${what} n’est plus dans l’analyse.`,
  compare: {
    title: 'Entre jeux de données et hôpitaux',
    chart: (label) => `${label} par jeu de données`,
    share: 'Part des patients qui ont une valeur',
    totals: 'Les hôpitaux ne donnent ici que des totaux ; les jeux de données ne sont pas donnés un par un.',
    hidden: 'caché',
    here: 'ce serveur',
    all: 'tous ses jeux de données',
    columns: { site: 'Hôpital', dataset: 'Jeu de données', n: 'n', missing: 'Manquants', share: 'Part manquante', mean: 'Moyenne', sd: 'ET', median: 'Médiane' },
  },
};
