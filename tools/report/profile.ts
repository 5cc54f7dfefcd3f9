import type { Recording } from "../profile/recording.js";
import type { Profile } from "../profile/stage.js";
import { renderPage } from "./page.js";
export function renderProfile(_profile: Profile, _recording: Recording): string {
  return renderPage("profile", "");
}
