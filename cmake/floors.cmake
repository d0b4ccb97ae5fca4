# Folders are libraries, floors keep them in order: a file may include its own floor or lower ones,
# and the four programs never include each other. tests/check_floors.py reads the includes.

# cv_library(NAME FOLDER FLOOR LINKS...): every .c below FOLDER except main.c becomes cv_NAME.
function(cv_library name folder floor)
	file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
	list(FILTER sources EXCLUDE REGEX "/main\\.c$")
	if(NOT sources)
		if(NOT EXISTS ${CMAKE_BINARY_DIR}/empty.c)
			file(WRITE ${CMAKE_BINARY_DIR}/empty.c "typedef int cv_empty;\n")
		endif()
		set(sources ${CMAKE_BINARY_DIR}/empty.c)
	endif()
	add_library(cv_${name} STATIC ${sources})
	target_link_libraries(cv_${name} PUBLIC ${ARGN} Threads::Threads)
	set_property(TARGET cv_${name} PROPERTY CV_FLOOR ${floor})
endfunction()

# cv_program(BINARY NAME [FOLDER]): main.c of FOLDER (else of NAME) on top of cv_NAME.
function(cv_program binary name)
	set(folder ${name})
	if(ARGC GREATER 2)
		set(folder ${ARGV2})
	endif()
	if(EXISTS ${CMAKE_SOURCE_DIR}/${folder}/main.c)
		add_executable(${binary} ${CMAKE_SOURCE_DIR}/${folder}/main.c)
		target_link_libraries(${binary} PRIVATE cv_${name})
		set_target_properties(${binary} PROPERTIES
			RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
	endif()
endfunction()

# Debian's own interpreter: its packages (python3-dkim) are not seen by any other.
set(Python3_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "")
find_package(Python3 COMPONENTS Interpreter REQUIRED)
execute_process(
	COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/check_floors.py ${CMAKE_SOURCE_DIR}
	RESULT_VARIABLE floors_result OUTPUT_VARIABLE floors_output ERROR_VARIABLE floors_output)
if(NOT floors_result EQUAL 0)
	message(FATAL_ERROR "an include goes up a floor:\n${floors_output}")
endif()
