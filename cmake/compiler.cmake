# Language level, warnings, sanitizers and hardening. A preset chooses CV_MODE.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(CV_MODE release CACHE STRING
	"release, dev (ASan + UBSan), tsan, fuzz (clang libFuzzer) or coverage")
set_property(CACHE CV_MODE PROPERTY STRINGS release dev tsan fuzz coverage)
option(CV_WERROR "warnings end the build" OFF)
option(CV_KILL_POINTS "build the named points at which crash tests stop the process" ON)

find_program(CCACHE ccache)
if(CCACHE)
	set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wvla -Walloca
	-Wno-unknown-pragmas -include ${CMAKE_SOURCE_DIR}/common/base/ban.h)
add_compile_definitions(_GNU_SOURCE CV_VERSION="${PROJECT_VERSION}")
include_directories(${CMAKE_SOURCE_DIR})
add_link_options(-Wl,--as-needed) # a program loads only the libraries whose code it calls
if(CV_WERROR)
	add_compile_options(-Werror)
endif()
if(CV_KILL_POINTS)
	add_compile_definitions(CV_KILL_POINTS=1)
endif()

if(CV_MODE STREQUAL "dev")
	add_compile_options(-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
		-fno-sanitize-recover=undefined)
	add_link_options(-fsanitize=address,undefined)
elseif(CV_MODE STREQUAL "tsan")
	add_compile_options(-O1 -g -fno-omit-frame-pointer -fsanitize=thread)
	add_link_options(-fsanitize=thread)
elseif(CV_MODE STREQUAL "fuzz")
	add_compile_options(-O1 -g -fno-omit-frame-pointer
		-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined)
	add_link_options(-fsanitize=address,undefined)
elseif(CV_MODE STREQUAL "coverage")
	add_compile_options(-O0 -g --coverage)
	add_compile_definitions(CV_COVERAGE=1)
	add_link_options(--coverage)
else()
	add_compile_options(-O2 -g -fstack-protector-strong -fstack-clash-protection)
	if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86") # other machines' compilers refuse it
		add_compile_options(-fcf-protection)
	endif()
	add_compile_definitions(_FORTIFY_SOURCE=2)
	add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
find_package(Threads REQUIRED)
