import type { Texts } from './language';

/** Ce que lit qui joint des volumes à un jeu de données. */
export const frenchPublication: Texts['publication'] = {
  title: 'Vers un jeu de données',
  intro:
    'Les volumes des examens acceptés deviennent des colonnes de la prochaine version d’un jeu de données, par le pseudonyme du patient et la visite la plus proche. Regardez d’abord le plan.',
  dataset: 'Jeu de données',
  nothing: 'Aucun jeu de données n’est publié',
  window: 'Jours entre examen et visite, au plus',
  target: 'Publier comme un autre jeu de données',
  targetHint: 'Vide : la prochaine version de celui-ci',
  replace: 'Les colonnes déjà présentes cèdent la place',
  unproven: 'Pour un essai : il n’est pas établi que les volumes soient assez exacts',
  small: 'Publier bien que peu de patients diffèrent d’une version antérieure',
  plan: 'Voir ce qui se passerait',
  go: 'Publier',
  counts: 'Ce que deviennent les examens',
  byDate: (date, days) => `Par le pseudonyme et ${date} le plus proche, à ${days} jours au plus.`,
  byPatient:
    'Par le pseudonyme seul, l’examen le plus récent de chaque patient : le jeu de données n’a pas de dates décalées comme celles des examens.',
  fates: {
    joined: 'joints',
    no_patient: 'd’aucun patient du jeu de données',
    outside: 'hors de la fenêtre',
    ambiguous: 'ambigus : un autre examen ou une autre visite est aussi proche',
    undated: 'sans date décalée comme celles du jeu de données',
    spare: 'en trop : un autre examen est plus proche ou plus récent',
    other: 'mesurés avec un autre atlas ou un autre réglage',
    waiting: 'en attente d’une revue',
    rejected: 'rejetés',
  },
  without: (without, all) => `${without.toLocaleString('fr')} patients sur ${all.toLocaleString('fr')} restent sans examen.`,
  columns: (n) => `${n} colonnes, volumes en cm³`,
  replaced: 'Cèdent la place',
  gone: 'Disparaissent, car non mesurées cette fois',
  leftOut: 'Non publiés : le modèle de données n’a pas de place pour eux',
  refused: 'Ce ne serait pas publié',
  ready: 'Rien ne s’y oppose.',
  done: (dataset, version) => `${dataset} est à la version ${version}.`,
  open: 'Vers le jeu de données',
};
