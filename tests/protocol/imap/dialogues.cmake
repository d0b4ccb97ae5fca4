# Each dialogue is a test, protocol/imap/<name>, with a daemon and accounts of its own.
file(GLOB dialogues CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.imap)
foreach(file ${dialogues})
	get_filename_component(name ${file} NAME_WE)
	add_test(NAME protocol/imap/${name} COMMAND ${Python3_EXECUTABLE}
		${CMAKE_CURRENT_LIST_DIR}/run.py $<TARGET_FILE:congvu-imapd> ${file})
	set_tests_properties(protocol/imap/${name} PROPERTIES TIMEOUT 120 LABELS protocol)
endforeach()
add_test(NAME protocol/imap/sessions COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/sessions_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/sessions PROPERTIES TIMEOUT 120 LABELS protocol)
add_test(NAME protocol/imap/contexts COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/context_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/contexts PROPERTIES TIMEOUT 120 LABELS protocol)
add_test(NAME protocol/imap/notify_sessions COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/notify_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/notify_sessions PROPERTIES TIMEOUT 240 LABELS "protocol;tsan")
add_test(NAME protocol/imap/mutated COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/mutate_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/mutated PROPERTIES TIMEOUT 120 LABELS protocol)
add_test(NAME protocol/imap/index COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/index_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/index PROPERTIES TIMEOUT 400 LABELS protocol)
add_test(NAME protocol/imap/batches COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/batches_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/batches PROPERTIES TIMEOUT 120 LABELS protocol)
add_test(NAME protocol/imap/sheets COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/sheets_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/sheets PROPERTIES TIMEOUT 240 LABELS protocol)
add_test(NAME protocol/imap/metadata_limits COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/metadata_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/metadata_limits PROPERTIES TIMEOUT 120 LABELS protocol)
add_test(NAME protocol/imap/attachments COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/attachments_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/attachments PROPERTIES TIMEOUT 240 LABELS protocol)
add_test(NAME protocol/imap/progress COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/progress_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/progress PROPERTIES TIMEOUT 240 LABELS protocol)
add_test(NAME protocol/imap/acl COMMAND ${Python3_EXECUTABLE}
	${CMAKE_CURRENT_LIST_DIR}/acl_test.py $<TARGET_FILE:congvu-imapd>)
set_tests_properties(protocol/imap/acl PROPERTIES TIMEOUT 300 LABELS protocol)
if(TARGET congvu-extract)
	add_test(NAME protocol/imap/documents COMMAND ${Python3_EXECUTABLE}
		${CMAKE_CURRENT_LIST_DIR}/documents_test.py $<TARGET_FILE:congvu-imapd>)
	set_tests_properties(protocol/imap/documents PROPERTIES TIMEOUT 600 LABELS protocol)
endif()
