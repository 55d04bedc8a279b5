import '@mantine/core/styles.css';
import '@fontsource-variable/inter';
import './portal.css';

import { preferred } from './texts/language';
import { speak } from './texts/texts';

// A language that cannot be read leaves the portal in English.
void speak(preferred())
  .catch(() => undefined)
  .then(() => import('./start'));
