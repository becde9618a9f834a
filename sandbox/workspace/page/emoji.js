// The shortcodes that an operations bot and its people use. Others stay as they are written.
const TABLE = `
white_check_mark ✅ heavy_check_mark ✔️ ballot_box_with_check ☑️ x ❌ negative_squared_cross_mark ❎ no_entry ⛔
no_entry_sign 🚫 warning ⚠️ rotating_light 🚨 bell 🔔 no_bell 🔕 mute 🔇 sos 🆘 exclamation ❗ heavy_exclamation_mark ❗
grey_exclamation ❕ question ❓ bangbang ‼️ information_source ℹ️ red_circle 🔴 large_orange_circle 🟠 orange_circle 🟠
large_yellow_circle 🟡 yellow_circle 🟡 large_green_circle 🟢 green_circle 🟢 large_blue_circle 🔵 blue_circle 🔵
large_purple_circle 🟣 white_circle ⚪ black_circle ⚫ large_brown_circle 🟤 large_green_square 🟩 large_red_square 🟥
large_yellow_square 🟨 large_orange_square 🟧 white_large_square ⬜ black_large_square ⬛ small_blue_diamond 🔹
small_orange_diamond 🔸 hourglass ⌛ hourglass_flowing_sand ⏳ stopwatch ⏱️ timer_clock ⏲️ alarm_clock ⏰ clock1 🕐
clock3 🕒 calendar 📆 date 📅 spiral_calendar_pad 🗓️ repeat 🔁 arrows_counterclockwise 🔄 arrow_up ⬆️ arrow_down ⬇️
arrow_right ➡️ arrow_left ⬅️ arrow_upper_right ↗️ arrow_heading_down ⤵️ double_vertical_bar ⏸️ pause_button ⏸️
black_right_pointing_triangle_with_double_vertical_bar ⏯️ arrow_forward ▶️ fast_forward ⏩ black_square_for_stop ⏹️
octagonal_sign 🛑 stop_sign 🛑 construction 🚧 wrench 🔧 hammer 🔨 hammer_and_wrench 🛠️ tools 🛠️ gear ⚙️ nut_and_bolt 🔩
lock 🔒 unlock 🔓 key 🔑 closed_lock_with_key 🔐 shield 🛡️ scroll 📜 page_facing_up 📄 clipboard 📋 memo 📝 pencil 📝
pencil2 ✏️ mag 🔍 mag_right 🔎 eyes 👀 bulb 💡 label 🏷️ pushpin 📌 round_pushpin 📍 world_map 🗺️ globe_with_meridians 🌐
satellite 📡 satellite_antenna 📡 electric_plug 🔌 battery 🔋 low_battery 🪫 computer 💻 desktop_computer 🖥️ iphone 📱
floppy_disk 💾 package 📦 inbox_tray 📥 outbox_tray 📤 file_folder 📁 card_index_dividers 🗂️ wastebasket 🗑️ email 📧
envelope ✉️ incoming_envelope 📨 speech_balloon 💬 thread 🧵 bar_chart 📊 chart_with_upwards_trend 📈
chart_with_downwards_trend 📉 thermometer 🌡️ fire 🔥 zap ⚡ boom 💥 snowflake ❄️ zzz 💤 ghost 👻 skull 💀 bug 🐛 robot_face 🤖
rocket 🚀 ship 🚢 anchor ⚓ factory 🏭 house 🏠 office 🏢 truck 🚚 traffic_light 🚦 vertical_traffic_light 🚦 checkered_flag 🏁
triangular_flag_on_post 🚩 white_flag 🏳️ tada 🎉 sparkles ✨ star ⭐ medal 🏅 trophy 🏆 heart ❤️ wave 👋 pray 🙏 clap 👏
+1 👍 thumbsup 👍 -1 👎 thumbsdown 👎 ok_hand 👌 raised_hands 🙌 hand ✋ raised_hand ✋ point_right 👉 point_up ☝️
muscle 💪 smile 😄 slightly_smiling_face 🙂 grinning 😀 joy 😂 thinking_face 🤔 cry 😢 sob 😭 sweat_smile 😅 face_with_monocle 🧐
person_shrugging 🤷 shrug 🤷 busts_in_silhouette 👥 bust_in_silhouette 👤 sleuth_or_spy 🕵️ baby_chick 🐤 hatching_chick 🐣
canary 🐤 seedling 🌱 deciduous_tree 🌳 ocean 🌊 link 🔗 chains ⛓️ paperclip 📎 test_tube 🧪 microscope 🔬 telescope 🔭
heavy_plus_sign ➕ heavy_minus_sign ➖ heavy_multiplication_x ✖️ new 🆕 ok 🆗 up 🆙 100 💯 end 🔚 back 🔙 soon 🔜
`;

const words = TABLE.trim().split(/\s+/);
const EMOJI = new Map();
for (let n = 0; n + 1 < words.length; n += 2) EMOJI.set(words[n], words[n + 1]);

export const emoji = (name) => EMOJI.get(name.replace(/::skin-tone-\d$/, ""));
