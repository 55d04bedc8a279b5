import algorithmAuthor from '../../../docs/algorithm-author.md?raw';
import federationOperator from '../../../docs/federation-operator.md?raw';
import imaging from '../../../docs/imaging.md?raw';
import itAdministrator from '../../../docs/it-administrator.md?raw';
import researcher from '../../../docs/researcher.md?raw';

/** Pages of the documentation of which no part is derived when it is built. */
export const pages: Record<string, string> = {
  researcher,
  imaging,
  'it-administrator': itAdministrator,
  'federation-operator': federationOperator,
  'algorithm-author': algorithmAuthor,
};
